// SPDX-License-Identifier: Apache-2.0
#include "clients/cpp/src/hosting.hpp"
#include "clients/cpp/src/wire.hpp"

namespace vivarium {
inline namespace client_v1 {
namespace detail {

namespace {

// Far more than the daemon takes, far less than a stack holds.
constexpr int max_depth = 500;

/// Writes one alternative of a value.
class encoder {
public:
  encoder(v1::Value& to, int depth, const std::shared_ptr<core>& on)
      : to_{to}, depth_{depth}, on_{on} {
    if (depth > max_depth)
      throw conversion_error{"value", "vivarium.v1.Value", "it is nested too deeply"};
  }

  void operator()(const none&) { to_.mutable_none(); }
  void operator()(bool from) { to_.set_boolean(from); }
  void operator()(std::int64_t from) { to_.set_integer(from); }
  void operator()(double from) { to_.set_real(from); }
  void operator()(const big_int& from) { to_.set_big_integer(from.twos_complement()); }
  void operator()(const std::string& from) { to_.set_text(from); }
  void operator()(const bytes& from) { to_.set_blob(from.chars()); }
  void operator()(const bytearray& from) { to_.set_bytearray(from.content.chars()); }
  void operator()(const list& from) { items(from.items, *to_.mutable_list()); }
  void operator()(const tuple& from) { items(from.items, *to_.mutable_tuple()); }
  void operator()(const set& from) { items(from.items, *to_.mutable_set()); }
  void operator()(const frozenset& from) { items(from.items, *to_.mutable_frozenset()); }
  void operator()(const dict& from) {
    auto& entries = *to_.mutable_dict()->mutable_entries();
    for (const auto& [key, held] : from.entries) {
      auto* entry = entries.Add();
      put(key, *entry->mutable_key());
      put(held, *entry->mutable_value());
    }
  }
  void operator()(const std::complex<double>& from) {
    to_.mutable_complex()->set_real(from.real());
    to_.mutable_complex()->set_imag(from.imag());
  }
  void operator()(const datetime& from) {
    put(from.date, *to_.mutable_datetime()->mutable_date());
    put(from.time, *to_.mutable_datetime()->mutable_time());
  }
  void operator()(const date& from) { put(from, *to_.mutable_date()); }
  void operator()(const time_of_day& from) { put(from, *to_.mutable_time()); }
  void operator()(const timedelta& from) {
    auto& to = *to_.mutable_timedelta();
    to.set_days(from.days);
    to.set_seconds(from.seconds);
    to.set_microseconds(from.microseconds);
  }
  void operator()(const decimal& from) { to_.set_decimal(from.text); }
  void operator()(const uuid& from) {
    to_.set_uuid(reinterpret_cast<const char*>(from.content.data()), from.content.size());
  }
  void operator()(const symbol& from) { to_.set_symbol(from.name); }
  void operator()(const term& from) {
    to_.mutable_term()->set_type(from.type);
    to_.mutable_term()->set_data(from.data.chars());
  }
  void operator()(const ndarray& from) {
    auto& to = *to_.mutable_array();
    to.set_dtype(from.dtype);
    to.mutable_shape()->Add(from.shape.begin(), from.shape.end());
    to.set_data(from.data);
  }
  void operator()(const construct& from) {
    auto& to = *to_.mutable_construct();
    to.set_module(from.module);
    to.set_name(from.name);
    for (const auto& each : from.args)
      put(each, *to.add_args());
    for (const auto& [name, held] : from.kwargs) {
      auto* entry = to.add_kwargs();
      entry->mutable_key()->set_text(name);
      put(held, *entry->mutable_value());
    }
  }
  void operator()(const ref& from) {
    if (!from)
      throw conversion_error{"empty vivarium::ref", "vivarium.v1.Value"};
    to_.mutable_ref()->set_id(from.id());
  }
  void operator()(const opaque& from) {
    throw conversion_error{from.type_name, "vivarium.v1.Value", "it is only a description"};
  }
  void operator()(const host_function& from) {
    if (!from)
      throw conversion_error{"empty vivarium::host_function", "vivarium.v1.Value"};
    if (!on_)
      throw conversion_error{"vivarium::host_function", "vivarium.v1.Value",
                             "there is no connection to call it over"};
    on_->functions().know(from);
    to_.mutable_function()->set_name(from.name());
  }

private:
  void put(const value& from, v1::Value& to) const {
    std::visit(encoder{to, depth_ + 1, on_}, from.content());
  }
  void items(const std::vector<value>& from, v1::Sequence& to) const {
    to.mutable_items()->Reserve(static_cast<int>(from.size()));
    for (const auto& each : from)
      put(each, *to.add_items());
  }
  static void put(const date& from, v1::Date& to) {
    to.set_year(from.year);
    to.set_month(from.month);
    to.set_day(from.day);
  }
  static void put(const time_of_day& from, v1::Time& to) {
    to.set_hour(from.hour);
    to.set_minute(from.minute);
    to.set_second(from.second);
    to.set_microsecond(from.microsecond);
    to.set_fold(from.fold);
    if (!from.zone)
      return;
    auto& zone = *to.mutable_zone();
    zone.set_name(from.zone->name);
    if (from.zone->offset)
      zone.set_offset_us(from.zone->offset->count());
  }

  v1::Value& to_;
  int depth_;
  const std::shared_ptr<core>& on_;
};

std::uint64_t count(std::chrono::milliseconds from) {
  return from.count() < 0 ? 0 : static_cast<std::uint64_t>(from.count());
}

template <class Map>
void put(const variables& from, Map& to, const std::shared_ptr<core>& on) {
  for (const auto& [name, held] : from.content())
    encode(held, to[name], on);
}

void put_target(const call_target& from, v1::Target& to, const std::shared_ptr<core>& on) {
  if (const auto* module = std::get_if<module_name>(&from))
    to.set_module(module->name);
  else if (const auto* name = std::get_if<variable>(&from))
    to.set_variable(name->name);
  else if (const auto* object = std::get_if<ref>(&from))
    to.mutable_ref()->set_id(object->id());
  else
    detail::encode(std::get<value>(from), *to.mutable_value(), on);
}

const std::string& either(const std::string& first, const std::string& second) {
  return first.empty() ? second : first;
}

} // namespace

// The enums of options.hpp have the numbers of the wire.
static_assert(static_cast<int>(result_format::none) == v1::RESULT_FORMAT_NONE);
static_assert(static_cast<int>(on_disconnect::kill) == v1::ON_DISCONNECT_KILL);
static_assert(static_cast<int>(queue_policy::fail) == v1::QUEUE_POLICY_FAIL);
static_assert(static_cast<int>(lifetime::connection) == v1::LIFETIME_CONNECTION);
static_assert(static_cast<int>(log_level::critical) == v1::LOG_LEVEL_CRITICAL);
static_assert(static_cast<int>(operation::exit) == v1::OPERATION_EXIT);
static_assert(static_cast<int>(value_options::unserializable::repr)
              == v1::ValueOptions::UNSERIALIZABLE_REPR);
static_assert(static_cast<int>(value_options::symbols::str) == v1::ValueOptions::SYMBOL_AS_STR);

void encode(const value& from, v1::Value& to, const std::shared_ptr<core>& on) {
  std::visit(encoder{to, 0, on}, from.content());
}

void encode(const value_options& from, v1::ValueOptions& to) {
  using options = v1::ValueOptions;
  to.set_unserializable(static_cast<options::Unserializable>(from.on_unserializable));
  to.set_blob_as(static_cast<options::BlobAs>(from.blob_as));
  to.set_set_as(static_cast<options::SetAs>(from.set_as));
  to.set_symbol_as(static_cast<options::SymbolAs>(from.symbol_as));
  to.set_ref_lifetime(static_cast<options::RefLifetime>(from.ref_lifetime));
}

namespace {

/// What EvalRequest and RunOptions have in common.
template <class Message>
void put_run(const run_options& from, Message& to) {
  to.set_timeout_ms(count(from.timeout));
  to.set_cpu_ms(count(from.cpu));
  to.set_result_format(static_cast<v1::ResultFormat>(from.format));
  to.set_queue(static_cast<v1::QueuePolicy>(from.queue));
  to.set_on_disconnect(static_cast<v1::OnDisconnect>(from.on_disconnect));
  v1::ValueOptions values;
  encode(from.values, values);
  if (values.ByteSizeLong() != 0)
    *to.mutable_value_options() = std::move(values);
  to.set_track_files(from.track_files);
  to.set_transaction(from.transaction);
}

/// Of the session that a request makes, if it makes one.
template <class Message>
void put_limits(const session_limits& from, Message& to) {
  if (v1::Limits limits; encode(from, limits))
    *to.mutable_limits() = std::move(limits);
}

} // namespace

void encode(const run_options& from, v1::RunOptions& to) {
  put_run(from, to);
}

void encode(const task::source& from, const place& at, v1::EvalRequest& to) {
  to.set_session(at.session);
  to.set_namespace_(either(from.options.namespace_id, at.space));
  to.set_source(from.text);
  to.set_filename(from.options.filename);
  to.set_first_line(from.options.first_line);
  to.set_scratch(from.options.scratch);
  to.set_create_session(from.options.create_session);
  to.set_environment(from.options.environment);
  put_limits(from.options.limits, to);
  put_run(from.options, to);
  to.set_within_call(either(from.options.within_call, at.within));
  to.mutable_files()->insert(from.options.files.begin(), from.options.files.end());
  put(from.variables, *to.mutable_variables(), at.on);
}

void encode(const task::call& from, const place& at, v1::CallRequest& to) {
  const auto& options = from.with.options;
  to.set_session(at.session);
  to.set_namespace_(either(options.namespace_id, at.space));
  put_target(from.target, *to.mutable_target(), at.on);
  to.set_name(from.name);
  to.set_operation(static_cast<v1::Operation>(from.what));
  for (const auto& each : from.with.positional)
    encode(each, *to.add_args(), at.on);
  put(from.with.keywords, *to.mutable_kwargs(), at.on);
  encode(options, *to.mutable_options());
  to.mutable_options()->set_within_call(either(options.within_call, at.within));
  to.set_create_session(options.create_session);
  to.set_environment(options.environment);
  put_limits(options.limits, to);
}

namespace {

void encode(const host_module& from, v1::HostModule& to, const std::shared_ptr<core>& on) {
  to.set_name(from.name);
  for (const auto& each : from.functions)
    to.add_functions(each);
  put(from.constants, *to.mutable_constants(), on);
  to.set_override(from.replace);
}

void encode(const determinism& from, v1::CreateSessionRequest& to) {
  if (from.seed)
    to.mutable_determinism()->set_seed(*from.seed);
  if (from.hash_seed)
    to.mutable_determinism()->set_hash_seed(*from.hash_seed);
  if (!from.clock)
    return;
  using namespace std::chrono;
  const auto since = from.clock->time_since_epoch();
  const auto whole = floor<seconds>(since);
  auto& made = *to.mutable_determinism();
  made.mutable_clock()->set_seconds(whole.count());
  made.mutable_clock()->set_nanos(
      static_cast<std::int32_t>(duration_cast<nanoseconds>(since - whole).count()));
  made.set_clock_advances(from.clock_advances);
}

void encode(const capabilities& from, v1::CreateSessionRequest& request) {
  if (!from.sql && !from.store && from.http_rules.empty() && !from.boto3)
    return;
  auto& to = *request.mutable_capabilities();
  if (from.sql) {
    to.mutable_sql()->set_database(from.sql->database);
    to.mutable_sql()->set_database_url(from.sql->database_url);
    to.mutable_sql()->set_read_only(from.sql->read_only);
  }
  if (from.store) {
    auto& store = *to.mutable_store();
    store.set_prefix(from.store->prefix);
    store.mutable_keys()->Add(from.store->keys.begin(), from.store->keys.end());
    for (auto right : from.store->rights)
      store.add_rights(static_cast<v1::StoreRight>(right));
  }
  for (const auto& each : from.http_rules) {
    auto& rule = *to.add_http_rules();
    rule.set_allowed_url_prefix(each.allowed_url_prefix);
    rule.mutable_methods()->Add(each.methods.begin(), each.methods.end());
    rule.mutable_headers()->insert(each.headers.begin(), each.headers.end());
  }
  if (from.boto3) {
    auto& aws = *to.mutable_boto3();
    aws.set_endpoint_url(from.boto3->endpoint_url);
    aws.set_region(from.boto3->region);
    aws.set_access_key_id(from.boto3->access_key_id);
    aws.set_secret_access_key(from.boto3->secret_access_key);
    aws.set_session_token(from.boto3->session_token);
  }
}

} // namespace

void encode(const session_options& from, v1::CreateSessionRequest& to,
            const std::shared_ptr<core>& on) {
  to.set_name(from.name);
  to.set_environment(from.environment);
  to.set_idle_timeout_ms(count(from.idle_timeout));
  to.set_attach(from.attach);
  to.set_start_async(from.start_async);
  to.set_lifetime(static_cast<v1::Lifetime>(from.lifetime));
  to.set_working_directory(from.working_directory);
  to.mutable_environment_variables()->insert(from.environment_variables.begin(),
                                             from.environment_variables.end());
  encode(from.values, *to.mutable_value_options());
  to.set_max_refs(from.max_refs);
  to.set_ref_ttl_ms(count(from.ref_ttl));
  for (const auto& tag : from.tags)
    to.add_tags(tag);
  put_limits(from.limits, to);
  to.set_egress(from.egress);
  to.set_processes(static_cast<v1::Processes>(from.processes));
  for (const auto& each : from.modules)
    encode(each, *to.add_modules(), on);
  to.set_log_level(static_cast<v1::LogLevel>(from.log_level));
  to.mutable_files()->insert(from.files.begin(), from.files.end());
  for (const auto& each : from.volumes) {
    auto& mount = *to.add_volumes();
    mount.set_volume(each.volume);
    mount.set_path(each.path);
    mount.set_access(each.write ? v1::VOLUME_ACCESS_WRITE : v1::VOLUME_ACCESS_READ);
  }
  encode(from.determinism, to);
  encode(from.capabilities, to);
  if (!from.init)
    return;
  auto& init = *to.mutable_init();
  init.set_source(from.init->source);
  put(from.init->variables, *init.mutable_variables(), on);
  init.set_timeout_ms(count(from.init->timeout));
  init.set_filename(from.init->filename);
  init.set_first_line(from.init->first_line);
}

void encode(const namespace_options& from, v1::CreateNamespaceRequest& to,
            const std::shared_ptr<core>& on) {
  to.set_name(from.name);
  for (const auto& each : from.from) {
    auto& source = *to.add_from();
    source.set_namespace_(each.name);
    // Present although it is empty: an empty list copies nothing.
    if (each.only)
      source.mutable_only()->mutable_names()->Add(each.only->begin(), each.only->end());
    if (each.except)
      source.mutable_except()->mutable_names()->Add(each.except->begin(), each.except->end());
  }
  put(from.variables, *to.mutable_variables(), on);
  encode(from.values, *to.mutable_value_options());
  to.set_lifetime(static_cast<v1::Lifetime>(from.lifetime));
}

} // namespace detail
} // namespace client_v1
} // namespace vivarium
