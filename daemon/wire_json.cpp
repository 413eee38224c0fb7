// SPDX-License-Identifier: Apache-2.0
#include "daemon/wire.hpp"

#include <google/protobuf/util/json_util.h>

#include <memory>

#include "vivarium/v1/admin.pb.h"
#include "vivarium/v1/app.pb.h"
#include "vivarium/v1/connection.pb.h"
#include "vivarium/v1/environment.pb.h"
#include "vivarium/v1/execution.pb.h"
#include "vivarium/v1/file.pb.h"
#include "vivarium/v1/host.pb.h"
#include "vivarium/v1/message.pb.h"
#include "vivarium/v1/pool.pb.h"
#include "vivarium/v1/session.pb.h"
#include "vivarium/v1/store.pb.h"

namespace vivarium::wire {

namespace {

namespace v1 = ::vivarium::v1;
using google::protobuf::Message;

const Message& prototype_of(message type) {
  switch (type) {
    case message::eval_request: return v1::EvalRequest::default_instance();
    case message::eval_response: return v1::EvalResponse::default_instance();
    case message::start_request: return v1::StartRequest::default_instance();
    case message::start_response: return v1::StartResponse::default_instance();
    case message::follow_request: return v1::FollowRequest::default_instance();
    case message::follow_response: return v1::FollowResponse::default_instance();
    case message::wait_request: return v1::WaitRequest::default_instance();
    case message::wait_response: return v1::WaitResponse::default_instance();
    case message::cancel_request: return v1::CancelRequest::default_instance();
    case message::cancel_response: return v1::CancelResponse::default_instance();
    case message::list_request: return v1::ListRequest::default_instance();
    case message::list_response: return v1::ListResponse::default_instance();
    case message::compile_request: return v1::CompileRequest::default_instance();
    case message::compile_response: return v1::CompileResponse::default_instance();
    case message::create_session_request: return v1::CreateSessionRequest::default_instance();
    case message::create_session_response: return v1::CreateSessionResponse::default_instance();
    case message::get_session_request: return v1::GetSessionRequest::default_instance();
    case message::get_session_response: return v1::GetSessionResponse::default_instance();
    case message::list_sessions_request: return v1::ListSessionsRequest::default_instance();
    case message::list_sessions_response: return v1::ListSessionsResponse::default_instance();
    case message::close_session_request: return v1::CloseSessionRequest::default_instance();
    case message::close_session_response: return v1::CloseSessionResponse::default_instance();
    case message::call_request: return v1::CallRequest::default_instance();
    case message::stream_request: return v1::StreamRequest::default_instance();
    case message::stream_response: return v1::StreamResponse::default_instance();
    case message::batch_request: return v1::BatchRequest::default_instance();
    case message::create_namespace_request: return v1::CreateNamespaceRequest::default_instance();
    case message::create_namespace_response: return v1::CreateNamespaceResponse::default_instance();
    case message::destroy_namespace_request: return v1::DestroyNamespaceRequest::default_instance();
    case message::list_namespaces_request: return v1::ListNamespacesRequest::default_instance();
    case message::list_namespaces_response: return v1::ListNamespacesResponse::default_instance();
    case message::release_refs_request: return v1::ReleaseRefsRequest::default_instance();
    case message::release_refs_response: return v1::ReleaseRefsResponse::default_instance();
    case message::list_variables_request: return v1::ListVariablesRequest::default_instance();
    case message::list_variables_response: return v1::ListVariablesResponse::default_instance();
    case message::get_interpreter_request: return v1::GetInterpreterRequest::default_instance();
    case message::get_interpreter_response: return v1::GetInterpreterResponse::default_instance();
    case message::get_memory_stats_request: return v1::GetMemoryStatsRequest::default_instance();
    case message::get_memory_stats_response: return v1::GetMemoryStatsResponse::default_instance();
    case message::collect_garbage_request: return v1::CollectGarbageRequest::default_instance();
    case message::collect_garbage_response: return v1::CollectGarbageResponse::default_instance();
    case message::set_tracemalloc_request: return v1::SetTracemallocRequest::default_instance();
    case message::set_tracemalloc_response: return v1::SetTracemallocResponse::default_instance();
    case message::serve_request: return v1::ServeRequest::default_instance();
    case message::serve_response: return v1::ServeResponse::default_instance();
    case message::answer_request: return v1::AnswerRequest::default_instance();
    case message::answer_response: return v1::AnswerResponse::default_instance();
    case message::create_pool_request: return v1::CreatePoolRequest::default_instance();
    case message::create_pool_response: return v1::CreatePoolResponse::default_instance();
    case message::list_pools_request: return v1::ListPoolsRequest::default_instance();
    case message::list_pools_response: return v1::ListPoolsResponse::default_instance();
    case message::close_pool_request: return v1::ClosePoolRequest::default_instance();
    case message::set_routes_request: return v1::SetRoutesRequest::default_instance();
    case message::send_request: return v1::SendRequest::default_instance();
    case message::send_response: return v1::SendResponse::default_instance();
    case message::receive_request: return v1::ReceiveRequest::default_instance();
    case message::receive_response: return v1::ReceiveResponse::default_instance();
    case message::get_file_request: return v1::GetFileRequest::default_instance();
    case message::get_file_response: return v1::GetFileResponse::default_instance();
    case message::put_file_request: return v1::PutFileRequest::default_instance();
    case message::put_file_response: return v1::PutFileResponse::default_instance();
    case message::stat_file_request: return v1::StatFileRequest::default_instance();
    case message::stat_file_response: return v1::StatFileResponse::default_instance();
    case message::list_files_request: return v1::ListFilesRequest::default_instance();
    case message::list_files_response: return v1::ListFilesResponse::default_instance();
    case message::make_directory_request: return v1::MakeDirectoryRequest::default_instance();
    case message::make_directory_response: return v1::MakeDirectoryResponse::default_instance();
    case message::move_file_request: return v1::MoveFileRequest::default_instance();
    case message::move_file_response: return v1::MoveFileResponse::default_instance();
    case message::remove_file_request: return v1::RemoveFileRequest::default_instance();
    case message::remove_file_response: return v1::RemoveFileResponse::default_instance();
    case message::read_file_request: return v1::ReadFileRequest::default_instance();
    case message::read_file_response: return v1::ReadFileResponse::default_instance();
    case message::write_file_request: return v1::WriteFileRequest::default_instance();
    case message::write_file_response: return v1::WriteFileResponse::default_instance();
    case message::create_volume_request: return v1::CreateVolumeRequest::default_instance();
    case message::create_volume_response: return v1::CreateVolumeResponse::default_instance();
    case message::list_volumes_request: return v1::ListVolumesRequest::default_instance();
    case message::list_volumes_response: return v1::ListVolumesResponse::default_instance();
    case message::remove_volume_request: return v1::RemoveVolumeRequest::default_instance();
    case message::commit_volume_request: return v1::CommitVolumeRequest::default_instance();
    case message::commit_volume_response: return v1::CommitVolumeResponse::default_instance();
    case message::register_environment_request:
      return v1::RegisterEnvironmentRequest::default_instance();
    case message::register_environment_response:
      return v1::RegisterEnvironmentResponse::default_instance();
    case message::build_environment_request: return v1::BuildEnvironmentRequest::default_instance();
    case message::build_environment_response:
      return v1::BuildEnvironmentResponse::default_instance();
    case message::get_environment_request: return v1::GetEnvironmentRequest::default_instance();
    case message::get_environment_response: return v1::GetEnvironmentResponse::default_instance();
    case message::list_environments_request: return v1::ListEnvironmentsRequest::default_instance();
    case message::list_environments_response:
      return v1::ListEnvironmentsResponse::default_instance();
    case message::verify_environment_request:
      return v1::VerifyEnvironmentRequest::default_instance();
    case message::verify_environment_response:
      return v1::VerifyEnvironmentResponse::default_instance();
    case message::remove_environment_request:
      return v1::RemoveEnvironmentRequest::default_instance();
    case message::get_value_request: return v1::GetValueRequest::default_instance();
    case message::get_value_response: return v1::GetValueResponse::default_instance();
    case message::set_value_request: return v1::SetValueRequest::default_instance();
    case message::delete_value_request: return v1::DeleteValueRequest::default_instance();
    case message::delete_value_response: return v1::DeleteValueResponse::default_instance();
    case message::list_keys_request: return v1::ListKeysRequest::default_instance();
    case message::list_keys_response: return v1::ListKeysResponse::default_instance();
    case message::boot_app_request: return v1::BootAppRequest::default_instance();
    case message::boot_app_response: return v1::BootAppResponse::default_instance();
    case message::get_app_request: return v1::GetAppRequest::default_instance();
    case message::get_app_response: return v1::GetAppResponse::default_instance();
    case message::list_apps_request: return v1::ListAppsRequest::default_instance();
    case message::list_apps_response: return v1::ListAppsResponse::default_instance();
    case message::close_app_request: return v1::CloseAppRequest::default_instance();
    case message::get_status_request: return v1::GetStatusRequest::default_instance();
    case message::get_status_response: return v1::GetStatusResponse::default_instance();
    case message::list_tenants_request: return v1::ListTenantsRequest::default_instance();
    case message::list_tenants_response: return v1::ListTenantsResponse::default_instance();
    case message::list_all_sessions_request: return v1::ListAllSessionsRequest::default_instance();
    case message::list_all_sessions_response:
      return v1::ListAllSessionsResponse::default_instance();
    case message::list_all_executions_request:
      return v1::ListAllExecutionsRequest::default_instance();
    case message::list_all_executions_response:
      return v1::ListAllExecutionsResponse::default_instance();
    case message::list_worker_pools_request: return v1::ListWorkerPoolsRequest::default_instance();
    case message::list_worker_pools_response:
      return v1::ListWorkerPoolsResponse::default_instance();
    case message::list_all_pools_request: return v1::ListAllPoolsRequest::default_instance();
    case message::list_all_pools_response: return v1::ListAllPoolsResponse::default_instance();
    case message::list_all_environments_request:
      return v1::ListAllEnvironmentsRequest::default_instance();
    case message::list_all_environments_response:
      return v1::ListAllEnvironmentsResponse::default_instance();
    case message::drain_request: return v1::DrainRequest::default_instance();
    case message::drain_response: return v1::DrainResponse::default_instance();
    case message::undrain_request: return v1::UndrainRequest::default_instance();
    case message::stop_execution_request: return v1::StopExecutionRequest::default_instance();
    case message::stop_execution_response: return v1::StopExecutionResponse::default_instance();
    case message::end_session_request: return v1::EndSessionRequest::default_instance();
    case message::end_session_response: return v1::EndSessionResponse::default_instance();
    case message::recycle_environment_request:
      return v1::RecycleEnvironmentRequest::default_instance();
    case message::recycle_environment_response:
      return v1::RecycleEnvironmentResponse::default_instance();
    case message::set_log_level_request: return v1::SetLogLevelRequest::default_instance();
    case message::set_log_level_response: return v1::SetLogLevelResponse::default_instance();
    case message::reload_config_request: return v1::ReloadConfigRequest::default_instance();
    case message::reload_config_response: return v1::ReloadConfigResponse::default_instance();
    case message::handle_request: return v1::HandleRequest::default_instance();
    case message::handle_response: return v1::HandleResponse::default_instance();
    case message::handle_stream_request: return v1::HandleStreamRequest::default_instance();
    case message::handle_stream_response: return v1::HandleStreamResponse::default_instance();
    case message::invoke_request: return v1::InvokeRequest::default_instance();
    case message::invoke_response: return v1::InvokeResponse::default_instance();
    case message::defaults: return v1::Defaults::default_instance();
    case message::execution_error: return v1::ExecutionError::default_instance();
    case message::client_frame: return v1::ClientFrame::default_instance();
  }
  return v1::Abandon::default_instance();
}

} // namespace

namespace {

// Above what a value of the deepest kind allowed takes. libprotobuf's reader takes time that grows
// with the square of the depth, and looks at its own bound only when it is through.
constexpr std::size_t json_depth_at_most = 256;

bool is_deep(std::string_view json) {
  std::size_t depth = 0;
  char quote = 0; // Of the string we are in; libprotobuf takes single ones too.
  for (std::size_t i = 0; i < json.size(); ++i) {
    char c = json[i];
    if (quote != 0) {
      if (c == '\\')
        ++i;
      else if (c == quote)
        quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '[' || c == '{') {
      if (++depth > json_depth_at_most)
        return true;
    } else if (c == ']' || c == '}') {
      depth -= depth > 0 ? 1 : 0;
    }
  }
  return false;
}

} // namespace

result<std::string> to_binary(message type, std::string_view json) {
  if (is_deep(json))
    return error{errc::invalid_argument,
                 "the JSON nests more than " + std::to_string(json_depth_at_most) + " levels"};
  std::unique_ptr<Message> parsed{prototype_of(type).New()};
  auto ok = google::protobuf::util::JsonStringToMessage({json.data(), json.size()}, parsed.get());
  if (!ok.ok())
    return error{errc::invalid_argument, "the JSON is not a " + parsed->GetDescriptor()->name()
                                             + ": " + std::string{ok.message()}};
  std::string out;
  parsed->SerializeToString(&out);
  return out;
}

result<std::string> to_json(message type, std::string_view binary) {
  std::unique_ptr<Message> parsed{prototype_of(type).New()};
  std::string out;
  if (!parsed->ParseFromArray(binary.data(), static_cast<int>(binary.size())))
    return error{errc::internal, "cannot write a " + parsed->GetDescriptor()->name() + " as JSON"};
  // What can be parsed fails only by libprotobuf's own bound on depth, which cannot be moved here.
  if (!google::protobuf::util::MessageToJsonString(*parsed, &out).ok())
    return error{errc::failed_precondition,
                 "the answer nests too deeply for typed values in JSON: ask for the format JSON or "
                 "REPR, or speak the binary protocol"};
  return out;
}

} // namespace vivarium::wire
