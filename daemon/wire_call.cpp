// SPDX-License-Identifier: Apache-2.0
#include "bridge/natural_in.hpp"
#include "bridge/raw_memory.hpp"
#include "bridge/value_view.hpp"
#include "bridge/value_writer.hpp"
#include "daemon/wire_fields.hpp"
#include "daemon/wire_run.hpp"

#include <array>
#include <utility>
#include <vector>

namespace vivarium::wire {

namespace {

using protozero::pbf_reader;

// Numbers of vivarium.v1.Operation; a test holds them against the schema.
enum operation : std::int32_t {
  op_call = 1,
  op_set = 3,
  op_delete = 4,
  op_get_item = 5,
  op_set_item = 6,
  op_delete_item = 7,
  op_contains = 12,
  op_take = 16,
  op_last = 18,
};

constexpr std::uint32_t ref_kind = 26; // Field of Value.
constexpr std::size_t most_name = 4'096;

/// A CallRequest as read. Views point into it.
struct call_fields {
  eval_fields run;
  std::uint32_t target = 0; ///< Field of Target; 0: none.
  std::string_view target_content;
  std::string name;
  std::int32_t operation = 0;
  std::vector<std::string_view> args;
  named_values kwargs;
  std::string json_args;
  bool has_json_args = false;
};

status read_target(call_fields& into, std::string_view bytes) {
  return read_fields(bytes, [&into](pbf_reader& r) -> status {
    if (r.wire_type() != protozero::pbf_wire_type::length_delimited || r.tag() < 1 || r.tag() > 4)
      return skip(r);
    into.target = r.tag();
    into.target_content = view_of(r);
    return done{};
  });
}

status read_call_field(call_fields& into, pbf_reader& r) {
  auto& what = into.run.what;
  switch (field_of(r)) {
    case text_field(1): return take_text(what.session, r, "session");
    case text_field(2): return take_text(what.name_space, r, "namespace");
    case text_field(3): return read_target(into, view_of(r));
    case text_field(4): return take_text(into.name, r, "name");
    case number_field(5): into.operation = r.get_enum(); return done{};
    case text_field(6): into.args.push_back(view_of(r)); return done{};
    case text_field(7): return into.kwargs.add(view_of(r));
    case text_field(8):
      into.json_args += view_of(r);
      into.has_json_args = true;
      return done{};
    case text_field(9): into.kwargs.add_json(view_of(r)); return done{};
    case text_field(10):
      return read_fields(view_of(r),
                         [&into](pbf_reader& o) { return read_run_option(into.run, o); });
    case number_field(11): what.create_session = r.get_uint64() != 0; return done{};
    case text_field(12): return take_text(what.environment, r, "environment");
    case text_field(13): return read_run_limits(what, view_of(r));
    default: return read_pool_field(into.run, r);
  }
}

/// How many arguments an operation takes; a call takes any.
std::size_t arity_of(std::int32_t op) noexcept {
  switch (op) {
    case op_set:
    case op_get_item:
    case op_delete_item:
    case op_contains:
    case op_take: return 1;
    case op_set_item: return 2;
    default: return 0;
  }
}

status check_call(call_fields& call, std::size_t args) {
  if (auto ok = check_enum(call.operation, op_last, "operation"); !ok)
    return ok;
  if (call.operation == 0)
    call.operation = op_call;
  if (call.target == 0)
    return wrong("`target` is required");
  bool module = call.target == 1;
  if ((module || call.target == 3) && call.target_content.empty())
    return wrong(module ? "`target.module` is empty" : "`target.variable` is empty");
  if (call.name.size() > most_name)
    return wrong("`name` is longer than 4096 bytes");
  if (call.name.empty() && module && call.operation == op_call)
    return wrong("`name` is required: a module cannot be called");
  if (call.name.empty() && (call.operation == op_set || call.operation == op_delete))
    return wrong("`name` is required: the attribute to set or delete");
  if (call.operation == op_call)
    return done{};
  if (!call.kwargs.empty())
    return wrong("only a call takes keyword arguments");
  if (auto wanted = arity_of(call.operation); args != wanted)
    return wrong("this operation takes " + std::to_string(wanted) + " arguments, not "
                 + std::to_string(args));
  return done{};
}

/// The target as the tuple that the worker expects.
std::string make_target(const call_fields& call) {
  using bridge::text_value;
  std::string kind;
  std::string what;
  switch (call.target) {
    case 1:
      kind = "module";
      what = text_value(call.target_content);
      break;
    case 3:
      kind = "variable";
      what = text_value(call.target_content);
      break;
    case 2:
      kind = "value";
      append_bytes(what, ref_kind, call.target_content);
      break;
    default:
      kind = "value";
      what = call.target_content;
      break;
  }
  return bridge::tuple_value(std::array{text_value(kind), std::move(what)});
}

/// Appends the whole list of operands; the arguments, which may be large, are copied once.
std::string make_operands(const call_fields& call, const std::string& json_args,
                          const std::vector<named_value>& kwargs) {
  auto operation = bridge::int_value(call.operation);
  auto target = make_target(call);
  auto name = bridge::text_value(call.name);
  auto args_size = call.has_json_args ? json_args.size() : list_size(call.args);
  auto kwargs_size = dict_size(kwargs);
  auto body = field_size(operation.size()) + field_size(target.size()) + field_size(name.size())
              + field_size(args_size) + field_size(kwargs_size);
  std::string out;
  out.reserve(field_size(body));
  bridge::expect_large(out.data(), body);
  append_head(out, 8, body); // Value.list
  append_bytes(out, 1, operation);
  append_bytes(out, 1, target);
  append_bytes(out, 1, name);
  append_head(out, 1, args_size);
  if (call.has_json_args)
    out += json_args;
  else
    append_list(out, call.args);
  append_head(out, 1, kwargs_size);
  append_dict(out, kwargs);
  return out;
}

/// The arguments in natural JSON as an encoded Value, a list, and how many they are.
struct natural_args {
  std::string value;
  std::size_t count = 0;
};

result<natural_args> read_json_args(const call_fields& call) {
  natural_args out;
  if (!call.has_json_args)
    return out;
  if (!call.args.empty())
    return wrong("`json_args` stands for `args`: set one of them only");
  auto natural = bridge::value_of_list(call.json_args);
  if (!natural)
    return of_client(std::move(natural).why(), "json_args");
  out.value = *std::move(natural);
  for (bridge::field_walk walk{bridge::value_view::open(out.value).content}; walk.next();)
    ++out.count;
  return out;
}

result<submission> settle_call(call_fields call, const defaults* base) {
  if (auto ok = settle_run(call.run, base); !ok)
    return std::move(ok).why();
  auto json_args = read_json_args(call);
  if (!json_args)
    return std::move(json_args).why();
  if (auto ok = check_call(call, call.has_json_args ? json_args->count : call.args.size()); !ok)
    return std::move(ok).why();
  if (call.kwargs.has_typed() && call.kwargs.has_json())
    return wrong("`json_kwargs` stands for `kwargs`: set one of them only");
  auto kwargs = call.kwargs.merge("kwargs");
  if (!kwargs)
    return std::move(kwargs).why();
  auto& what = call.run.what;
  what.mode = bridge::run_mode::call;
  if (call.target == 1 && call.operation == op_call)
    what.function = std::string{call.target_content} + '.' + call.name;
  what.operands = make_operands(call, json_args->value, *kwargs);
  if (auto ok = check_value(what.operands, "call"); !ok)
    return std::move(ok).why();
  return std::move(what);
}

} // namespace

result<submission> read_call(std::string_view bytes, const defaults* base) {
  call_fields call;
  auto ok = read_fields(bytes, [&call](pbf_reader& r) { return read_call_field(call, r); });
  if (!ok)
    return std::move(ok).why();
  return settle_call(std::move(call), base);
}

result<submission> decode_call(codec as, std::string_view bytes, const defaults* base) {
  if (as == codec::proto || bytes.empty())
    return read_call(bytes, base);
  auto binary = to_binary(message::call_request, bytes);
  if (!binary)
    return std::move(binary).why();
  return read_call(*binary, base);
}

} // namespace vivarium::wire
