// SPDX-License-Identifier: Apache-2.0
#include "daemon/rpc.hpp"

#include <array>

namespace vivarium::rpc {

namespace {

#define EXECUTION "/vivarium.v1.ExecutionService/"
#define SESSION "/vivarium.v1.SessionService/"
#define HOST "/vivarium.v1.HostService/"
#define POOL "/vivarium.v1.PoolService/"
#define APP "/vivarium.v1.AppService/"
#define MESSAGE "/vivarium.v1.MessageService/"
#define FILE "/vivarium.v1.FileService/"
#define VOLUME "/vivarium.v1.VolumeService/"
#define ENVIRONMENT "/vivarium.v1.EnvironmentService/"
#define STORE "/vivarium.v1.StoreService/"
#define ADMIN "/vivarium.v1.AdminService/"
constexpr std::array<method_info, method_count> methods{{
    {method::eval, "eval", EXECUTION "Eval", "eval", 2, 2, false, false},
    {method::start, "start", EXECUTION "Start", "start", 3, 3, false, false},
    {method::follow, "follow", EXECUTION "Follow", "follow", 4, 4, true, false},
    {method::wait, "wait", EXECUTION "Wait", "wait", 5, 5, false, false},
    {method::cancel, "cancel", EXECUTION "Cancel", "cancel", 6, 6, false, false},
    {method::list, "list", EXECUTION "List", "list", 7, 7, false, true},
    {method::compile, "compile", EXECUTION "Compile", "compile", 8, 8, false, true},
    {method::create_session, "create_session", SESSION "CreateSession", "createSession", 9, 9,
     false, false},
    {method::get_session, "get_session", SESSION "GetSession", "getSession", 10, 10, false, true},
    {method::list_sessions, "list_sessions", SESSION "ListSessions", "listSessions", 11, 11, false,
     true},
    {method::close_session, "close_session", SESSION "CloseSession", "closeSession", 12, 12, false,
     false},
    {method::call, "call", EXECUTION "Call", "call", 16, 16, false, false},
    {method::stream, "stream", EXECUTION "Stream", "stream", 17, 17, true, false},
    {method::batch, "batch", EXECUTION "Batch", "batch", 18, 18, false, false},
    {method::create_namespace, "create_namespace", SESSION "CreateNamespace", "createNamespace", 19,
     19, false, false},
    {method::destroy_namespace, "destroy_namespace", SESSION "DestroyNamespace", "destroyNamespace",
     20, 20, false, false},
    {method::list_namespaces, "list_namespaces", SESSION "ListNamespaces", "listNamespaces", 21, 21,
     false, true},
    {method::release_refs, "release_refs", SESSION "ReleaseRefs", "releaseRefs", 22, 22, false,
     false},
    {method::list_variables, "list_variables", SESSION "ListVariables", "listVariables", 23, 23,
     false, false},
    {method::get_interpreter, "get_interpreter", SESSION "GetInterpreter", "getInterpreter", 24, 24,
     false, false},
    {method::get_memory_stats, "get_memory_stats", SESSION "GetMemoryStats", "getMemoryStats", 25,
     25, false, false},
    {method::collect_garbage, "collect_garbage", SESSION "CollectGarbage", "collectGarbage", 26, 26,
     false, false},
    {method::set_tracemalloc, "set_tracemalloc", SESSION "SetTracemalloc", "setTracemalloc", 27, 27,
     false, false},
    {method::serve, "serve", HOST "Serve", "serve", 29, 29, true, false},
    {method::answer, "answer", HOST "Answer", "answer", 30, 30, false, false},
    {method::create_pool, "create_pool", POOL "CreatePool", "createPool", 40, 40, false, false},
    {method::list_pools, "list_pools", POOL "ListPools", "listPools", 41, 41, false, true},
    {method::close_pool, "close_pool", POOL "ClosePool", "closePool", 42, 42, false, false},
    {method::set_routes, "set_routes", POOL "SetRoutes", "setRoutes", 43, 43, false, false},
    {method::send, "send", MESSAGE "Send", "send", 44, 44, false, false},
    {method::receive, "receive", MESSAGE "Receive", "receive", 45, 45, true, false},
    {method::get_file, "get_file", FILE "GetFile", "getFile", 200, 200, false, true},
    {method::put_file, "put_file", FILE "PutFile", "putFile", 201, 201, false, false},
    {method::stat_file, "stat_file", FILE "StatFile", "statFile", 202, 202, false, true},
    {method::list_files, "list_files", FILE "ListFiles", "listFiles", 203, 203, false, true},
    {method::make_directory, "make_directory", FILE "MakeDirectory", "makeDirectory", 204, 204,
     false, false},
    {method::move_file, "move_file", FILE "MoveFile", "moveFile", 205, 205, false, false},
    {method::remove_file, "remove_file", FILE "RemoveFile", "removeFile", 206, 206, false, false},
    {method::read_file, "read_file", FILE "ReadFile", "readFile", 207, 207, true, false},
    {method::write_file, "write_file", FILE "WriteFile", "writeFile", 208, 208, false, false},
    {method::create_volume, "create_volume", VOLUME "CreateVolume", "createVolume", 210, 210, false,
     false},
    {method::list_volumes, "list_volumes", VOLUME "ListVolumes", "listVolumes", 211, 211, false,
     true},
    {method::remove_volume, "remove_volume", VOLUME "RemoveVolume", "removeVolume", 212, 212, false,
     false},
    {method::commit_volume, "commit_volume", VOLUME "CommitVolume", "commitVolume", 213, 213, false,
     false},
    {method::register_environment, "register_environment", ENVIRONMENT "RegisterEnvironment",
     "registerEnvironment", 220, 220, false, false},
    {method::build_environment, "build_environment", ENVIRONMENT "BuildEnvironment",
     "buildEnvironment", 221, 221, true, false},
    {method::get_environment, "get_environment", ENVIRONMENT "GetEnvironment", "getEnvironment",
     222, 222, false, true},
    {method::list_environments, "list_environments", ENVIRONMENT "ListEnvironments",
     "listEnvironments", 223, 223, false, true},
    {method::verify_environment, "verify_environment", ENVIRONMENT "VerifyEnvironment",
     "verifyEnvironment", 224, 224, false, false},
    {method::remove_environment, "remove_environment", ENVIRONMENT "RemoveEnvironment",
     "removeEnvironment", 225, 225, false, false},
    {method::get_value, "get_value", STORE "GetValue", "getValue", 240, 240, false, true},
    {method::set_value, "set_value", STORE "SetValue", "setValue", 241, 241, false, false},
    {method::delete_value, "delete_value", STORE "DeleteValue", "deleteValue", 242, 242, false,
     false},
    {method::list_keys, "list_keys", STORE "ListKeys", "listKeys", 243, 243, false, true},
    {method::boot_app, "boot_app", APP "BootApp", "bootApp", 260, 260, false, false},
    {method::get_app, "get_app", APP "GetApp", "getApp", 261, 261, false, true},
    {method::list_apps, "list_apps", APP "ListApps", "listApps", 262, 262, false, true},
    {method::close_app, "close_app", APP "CloseApp", "closeApp", 263, 263, false, false},
    {method::handle, "handle", APP "Handle", "handle", 264, 264, false, false},
    {method::handle_stream, "handle_stream", APP "HandleStream", "handleStream", 265, 265, true,
     false},
    {method::invoke, "invoke", APP "Invoke", "invoke", 266, 266, false, false},
    {method::get_status, "get_status", ADMIN "GetStatus", "getStatus", 280, 280, false, true},
    {method::list_tenants, "list_tenants", ADMIN "ListTenants", "listTenants", 281, 281, false,
     true},
    {method::list_all_sessions, "list_all_sessions", ADMIN "ListAllSessions", "listAllSessions",
     282, 282, false, true},
    {method::list_all_executions, "list_all_executions", ADMIN "ListAllExecutions",
     "listAllExecutions", 283, 283, false, true},
    {method::list_worker_pools, "list_worker_pools", ADMIN "ListWorkerPools", "listWorkerPools",
     284, 284, false, true},
    {method::list_all_pools, "list_all_pools", ADMIN "ListAllPools", "listAllPools", 285, 285,
     false, true},
    {method::list_all_environments, "list_all_environments", ADMIN "ListAllEnvironments",
     "listAllEnvironments", 286, 286, false, true},
    {method::drain, "drain", ADMIN "Drain", "drain", 287, 287, false, false},
    {method::undrain, "undrain", ADMIN "Undrain", "undrain", 288, 288, false, false},
    {method::stop_execution, "stop_execution", ADMIN "StopExecution", "stopExecution", 289, 289,
     false, false},
    {method::end_session, "end_session", ADMIN "EndSession", "endSession", 290, 290, false, false},
    {method::recycle_environment, "recycle_environment", ADMIN "RecycleEnvironment",
     "recycleEnvironment", 291, 291, false, false},
    {method::set_log_level, "set_log_level", ADMIN "SetLogLevel", "setLogLevel", 292, 292, false,
     false},
    {method::reload_config, "reload_config", ADMIN "ReloadConfig", "reloadConfig", 293, 293, false,
     false},
}};
#undef EXECUTION
#undef SESSION
#undef HOST
#undef POOL
#undef MESSAGE
#undef FILE
#undef VOLUME
#undef ENVIRONMENT
#undef STORE
#undef ADMIN
#undef APP

template <class Matches>
const method_info* find(Matches matches) noexcept {
  for (const auto& m : methods)
    if (matches(m))
      return &m;
  return nullptr;
}

} // namespace

const method_info& info_of(method id) noexcept {
  return methods[static_cast<std::size_t>(id)];
}

const method_info* find_by_path(std::string_view path) noexcept {
  return find([path](const method_info& m) { return m.path == path; });
}

const method_info* find_by_frame_name(std::string_view name) noexcept {
  return find([name](const method_info& m) { return m.frame_name == name || m.name == name; });
}

const method_info* find_by_request_field(std::uint32_t field) noexcept {
  return find([field](const method_info& m) { return m.request_field == field; });
}

} // namespace vivarium::rpc
