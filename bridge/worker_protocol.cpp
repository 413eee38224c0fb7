// SPDX-License-Identifier: Apache-2.0
#include "bridge/worker_protocol.hpp"

#include "bridge/worker_fields.hpp"

#include <protozero/buffer_string.hpp>
#include <protozero/exception.hpp>
#include <protozero/pbf_message.hpp>
#include <protozero/varint.hpp>

#include <limits>

namespace vivarium::bridge {

namespace {

template <class Field>
void put(std::string& out, Field field, std::uint64_t value) {
  protozero::add_varint_to_buffer(&out, static_cast<std::uint32_t>(field) << 3);
  protozero::add_varint_to_buffer(&out, value);
}

template <class Field>
void put(std::string& out, Field field, std::string_view bytes) {
  protozero::add_varint_to_buffer(&out, static_cast<std::uint32_t>(field) << 3 | 2);
  protozero::add_varint_to_buffer(&out, bytes.size());
  out += bytes;
}

// Reads the fields of one message, each exactly once.
template <class Field>
class strict_reader {
public:
  explicit strict_reader(std::string_view body) : message_{body.data(), body.size()} {}

  bool next() {
    if (!message_.next())
      return false;
    auto bit = std::uint64_t{1} << (static_cast<std::uint32_t>(field()) & 63);
    sound_ = sound_ && static_cast<std::uint32_t>(field()) < 64 && (seen_ & bit) == 0;
    seen_ |= bit;
    return sound_;
  }

  Field field() const { return message_.tag(); }

  std::uint64_t number(std::uint64_t least, std::uint64_t most) {
    if (message_.wire_type() != protozero::pbf_wire_type::varint)
      return reject(), 0;
    auto value = message_.get_uint64();
    if (value < least || value > most)
      reject();
    return value;
  }
  bool flag() { return number(0, 1) != 0; }
  std::string_view bytes() {
    if (message_.wire_type() != protozero::pbf_wire_type::length_delimited)
      return reject(), std::string_view{};
    auto view = message_.get_view();
    return {view.data(), view.size()};
  }
  void reject() { sound_ = false; }

  // Whether fields 1 to `last` were all there and sound.
  bool complete(Field last) const {
    return sound_ && seen_ == (std::uint64_t{2} << static_cast<std::uint32_t>(last)) - 2;
  }

private:
  protozero::pbf_message<Field> message_;
  std::uint64_t seen_ = 0;
  bool sound_ = true;
};

std::uint64_t packed(const value_options& values) noexcept {
  return values.unserializable | static_cast<std::uint64_t>(values.blob_as) << 2
         | static_cast<std::uint64_t>(values.set_as) << 4
         | static_cast<std::uint64_t>(values.symbol_as) << 6;
}

value_options unpacked(std::uint64_t bits) noexcept {
  auto two = [bits](int at) { return static_cast<std::uint8_t>(bits >> at & 3); };
  return {two(0), two(2), two(4), two(6)};
}

bool is_complete(const value_options& values) noexcept {
  return values.unserializable != 0 && values.blob_as != 0 && values.set_as != 0
         && values.set_as != 3 && values.symbol_as != 0;
}

constexpr auto any64 = std::numeric_limits<std::uint64_t>::max();
constexpr auto any32 = std::numeric_limits<std::uint32_t>::max();

// Runs `read(reader, message)` for every field; protozero reports broken encodings by throwing.
template <class Message, class Field, class Read>
result<Message> decode(std::string_view body, std::string_view name, Field last, Read read) {
  Message message;
  try {
    strict_reader<Field> in{body};
    while (in.next())
      read(in, message);
    if (in.complete(last))
      return message;
  } catch (const protozero::exception&) {
  }
  return error{errc::malformed, "malformed message: " + std::string{name}};
}

} // namespace

void value_options::fill_from(const value_options& other) noexcept {
  auto fill = [](std::uint8_t& mine, std::uint8_t theirs) {
    if (mine == 0)
      mine = theirs;
  };
  fill(unserializable, other.unserializable);
  fill(blob_as, other.blob_as);
  fill(set_as, other.set_as);
  fill(symbol_as, other.symbol_as);
}

status append_evaluate(std::string& out, const evaluate& message) {
  using f = evaluate_field;
  make_room(out, message.source.size() + message.operands.size());
  auto start = begin_frame(out, frame_type::evaluate);
  put(out, f::execution, message.execution);
  put(out, f::source, message.source);
  put(out, f::filename, message.filename);
  put(out, f::first_line, message.first_line);
  put(out, f::mode, static_cast<std::uint64_t>(message.mode));
  put(out, f::form, static_cast<std::uint64_t>(message.form));
  put(out, f::start_before_us, message.start_before_us);
  put(out, f::max_result_bytes, message.max_result_bytes);
  put(out, f::max_output_bytes, message.max_output_bytes);
  put(out, f::name_space, message.name_space);
  put(out, f::operands, message.operands);
  put(out, f::options, packed(message.values));
  put(out, f::owner, message.owner);
  put(out, f::stream_credit, message.stream_credit);
  put(out, f::host, message.host);
  put(out, f::within, message.within);
  put(out, f::request_id, message.request_id);
  put(out, f::traceparent, message.traceparent);
  return end_frame(out, start);
}

status append_pull(std::string& out, const pull& message) {
  auto start = begin_frame(out, frame_type::pull);
  put(out, pull_field::execution, message.execution);
  put(out, pull_field::credit, message.credit);
  return end_frame(out, start);
}

status append_host_result(std::string& out, const host_result& message) {
  using f = host_result_field;
  make_room(out, message.content.size());
  auto start = begin_frame(out, frame_type::host_result);
  put(out, f::call, message.call);
  put(out, f::kind, static_cast<std::uint64_t>(message.kind));
  put(out, f::content, message.content);
  put(out, f::host, message.host);
  return end_frame(out, start);
}

status append_hello(std::string& out, const hello& message) {
  auto start = begin_frame(out, frame_type::hello);
  put(out, hello_field::protocol, message.protocol);
  put(out, hello_field::python_version, message.python_version);
  return end_frame(out, start);
}

status append_app_input(std::string& out, const app_input& message) {
  using f = app_input_field;
  make_room(out, message.content.size());
  auto start = begin_frame(out, frame_type::app_input);
  put(out, f::execution, message.execution);
  put(out, f::kind, static_cast<std::uint64_t>(message.kind));
  put(out, f::code, std::uint64_t{message.code});
  put(out, f::content, message.content);
  return end_frame(out, start);
}

status append_app_taken(std::string& out, const app_taken& message) {
  auto start = begin_frame(out, frame_type::app_taken);
  put(out, app_taken_field::execution, message.execution);
  put(out, app_taken_field::bytes, message.bytes);
  return end_frame(out, start);
}

status append_output(std::string& out, const output& message) {
  auto start = begin_frame(out, frame_type::output);
  put(out, output_field::execution, message.execution);
  put(out, output_field::is_stderr, std::uint64_t{message.is_stderr});
  put(out, output_field::text, message.text);
  return end_frame(out, start);
}

status append_display(std::string& out, const display& message) {
  auto start = begin_frame(out, frame_type::display);
  put(out, display_field::execution, message.execution);
  put(out, display_field::content, message.content);
  return end_frame(out, start);
}

status append_parked(std::string& out, const parked& message) {
  auto start = begin_frame(out, frame_type::parked);
  put(out, parked_field::execution, message.execution);
  return end_frame(out, start);
}

status append_items(std::string& out, const items& message) {
  auto start = begin_frame(out, frame_type::items);
  put(out, items_field::execution, message.execution);
  put(out, items_field::count, message.count);
  put(out, items_field::content, message.content);
  return end_frame(out, start);
}

status append_finished(std::string& out, const finished& message) {
  using f = finished_field;
  auto start = begin_frame(out, frame_type::finished);
  put(out, f::execution, message.execution);
  put(out, f::kind, static_cast<std::uint64_t>(message.kind));
  put(out, f::content, message.content);
  put(out, f::output_bytes, message.output_bytes);
  put(out, f::output_truncated, std::uint64_t{message.output_truncated});
  put(out, f::interrupted, std::uint64_t{message.interrupted});
  return end_frame(out, start);
}

status append_host_call(std::string& out, const host_call& message) {
  using f = host_call_field;
  make_room(out, message.operands.size());
  auto start = begin_frame(out, frame_type::host_call);
  put(out, f::execution, message.execution);
  put(out, f::call, message.call);
  put(out, f::kind, static_cast<std::uint64_t>(message.kind));
  put(out, f::blocking, std::uint64_t{message.blocking});
  put(out, f::host, message.host);
  put(out, f::name, message.name);
  put(out, f::operands, message.operands);
  put(out, f::timeout_ms, message.timeout_ms);
  return end_frame(out, start);
}

status append_host_drop(std::string& out, const host_drop& message) {
  auto start = begin_frame(out, frame_type::host_drop);
  put(out, host_drop_field::call, message.call);
  return end_frame(out, start);
}

status append_note(std::string& out, const note& message) {
  auto start = begin_frame(out, frame_type::note);
  put(out, note_field::execution, message.execution);
  put(out, note_field::kind, static_cast<std::uint64_t>(message.kind));
  put(out, note_field::content, message.content);
  return end_frame(out, start);
}

result<evaluate> decode_evaluate(std::string_view body) {
  using f = evaluate_field;
  return decode<evaluate>(body, "evaluate", f::traceparent, [](auto& in, evaluate& to) {
    switch (in.field()) {
      case f::execution: to.execution = in.number(1, any64); break;
      case f::source: to.source = in.bytes(); break;
      case f::filename: to.filename = in.bytes(); break;
      case f::first_line: to.first_line = static_cast<std::uint32_t>(in.number(1, any32)); break;
      case f::mode: to.mode = static_cast<run_mode>(in.number(1, last_run_mode)); break;
      case f::form: to.form = static_cast<value_form>(in.number(1, 3)); break;
      case f::start_before_us: to.start_before_us = in.number(0, any64); break;
      case f::max_result_bytes:
        to.max_result_bytes = static_cast<std::uint32_t>(in.number(0, any32));
        break;
      case f::max_output_bytes:
        to.max_output_bytes = static_cast<std::uint32_t>(in.number(0, any32));
        break;
      case f::name_space: to.name_space = in.number(0, any64); break;
      case f::operands: to.operands = in.bytes(); break;
      case f::options:
        to.values = unpacked(in.number(0, 0xff));
        if (!is_complete(to.values))
          in.reject();
        break;
      case f::owner: to.owner = in.number(0, any64); break;
      case f::stream_credit: to.stream_credit = in.number(0, any64); break;
      case f::host: to.host = in.number(0, any64); break;
      case f::within: to.within = in.number(0, any64); break;
      case f::request_id: to.request_id = in.bytes(); break;
      case f::traceparent: to.traceparent = in.bytes(); break;
      default: in.reject();
    }
  });
}

result<pull> decode_pull(std::string_view body) {
  return decode<pull>(body, "pull", pull_field::credit, [](auto& in, pull& to) {
    switch (in.field()) {
      case pull_field::execution: to.execution = in.number(1, any64); break;
      case pull_field::credit: to.credit = in.number(0, any64); break;
      default: in.reject();
    }
  });
}

result<host_result> decode_host_result(std::string_view body) {
  using f = host_result_field;
  return decode<host_result>(body, "host_result", f::host, [](auto& in, host_result& to) {
    switch (in.field()) {
      case f::call: to.call = in.number(1, any64); break;
      case f::kind: to.kind = static_cast<host_result::outcome>(in.number(1, 6)); break;
      case f::content: to.content = in.bytes(); break;
      case f::host: to.host = in.number(0, any64); break;
      default: in.reject();
    }
  });
}

result<hello> decode_hello(std::string_view body) {
  return decode<hello>(body, "hello", hello_field::python_version, [](auto& in, hello& to) {
    switch (in.field()) {
      case hello_field::protocol:
        to.protocol = static_cast<std::uint32_t>(in.number(0, any32));
        break;
      case hello_field::python_version: to.python_version = in.bytes(); break;
      default: in.reject();
    }
  });
}

result<app_input> decode_app_input(std::string_view body) {
  using f = app_input_field;
  return decode<app_input>(body, "app_input", f::content, [](auto& in, app_input& to) {
    switch (in.field()) {
      case f::execution: to.execution = in.number(1, any64); break;
      case f::kind: to.kind = static_cast<app_input::input_kind>(in.number(1, 5)); break;
      case f::code: to.code = static_cast<std::uint32_t>(in.number(0, any32)); break;
      case f::content: to.content = in.bytes(); break;
      default: in.reject();
    }
  });
}

result<app_taken> decode_app_taken(std::string_view body) {
  using f = app_taken_field;
  return decode<app_taken>(body, "app_taken", f::bytes, [](auto& in, app_taken& to) {
    switch (in.field()) {
      case f::execution: to.execution = in.number(1, any64); break;
      case f::bytes: to.bytes = in.number(1, any64); break;
      default: in.reject();
    }
  });
}

result<output> decode_output(std::string_view body) {
  return decode<output>(body, "output", output_field::text, [](auto& in, output& to) {
    switch (in.field()) {
      case output_field::execution: to.execution = in.number(1, any64); break;
      case output_field::is_stderr: to.is_stderr = in.flag(); break;
      case output_field::text: to.text = in.bytes(); break;
      default: in.reject();
    }
  });
}

result<display> decode_display(std::string_view body) {
  return decode<display>(body, "display", display_field::content, [](auto& in, display& to) {
    switch (in.field()) {
      case display_field::execution: to.execution = in.number(1, any64); break;
      case display_field::content: to.content = in.bytes(); break;
      default: in.reject();
    }
  });
}

result<parked> decode_parked(std::string_view body) {
  return decode<parked>(body, "parked", parked_field::execution, [](auto& in, parked& to) {
    if (in.field() == parked_field::execution)
      to.execution = in.number(1, any64);
    else
      in.reject();
  });
}

result<items> decode_items(std::string_view body) {
  return decode<items>(body, "items", items_field::content, [](auto& in, items& to) {
    switch (in.field()) {
      case items_field::execution: to.execution = in.number(1, any64); break;
      case items_field::count: to.count = in.number(1, any64); break;
      case items_field::content: to.content = in.bytes(); break;
      default: in.reject();
    }
  });
}

result<host_call> decode_host_call(std::string_view body) {
  using f = host_call_field;
  return decode<host_call>(body, "host_call", f::timeout_ms, [](auto& in, host_call& to) {
    switch (in.field()) {
      case f::execution: to.execution = in.number(0, any64); break;
      case f::call: to.call = in.number(0, any64); break;
      case f::kind: to.kind = static_cast<host_call::call_kind>(in.number(1, 3)); break;
      case f::blocking: to.blocking = in.flag(); break;
      case f::host: to.host = in.number(0, any64); break;
      case f::name: to.name = in.bytes(); break;
      case f::operands: to.operands = in.bytes(); break;
      case f::timeout_ms: to.timeout_ms = in.number(0, any64); break;
      default: in.reject();
    }
  });
}

result<host_drop> decode_host_drop(std::string_view body) {
  return decode<host_drop>(body, "host_drop", host_drop_field::call, [](auto& in, host_drop& to) {
    if (in.field() == host_drop_field::call)
      to.call = in.number(1, any64);
    else
      in.reject();
  });
}

result<note> decode_note(std::string_view body) {
  return decode<note>(body, "note", note_field::content, [](auto& in, note& to) {
    switch (in.field()) {
      case note_field::execution: to.execution = in.number(0, any64); break;
      case note_field::kind: to.kind = static_cast<note::note_kind>(in.number(1, 2)); break;
      case note_field::content: to.content = in.bytes(); break;
      default: in.reject();
    }
  });
}

result<finished> decode_finished(std::string_view body) {
  using f = finished_field;
  return decode<finished>(body, "finished", f::interrupted, [](auto& in, finished& to) {
    switch (in.field()) {
      case f::execution: to.execution = in.number(1, any64); break;
      case f::kind: to.kind = static_cast<finished::outcome>(in.number(1, 5)); break;
      case f::content: to.content = in.bytes(); break;
      case f::output_bytes: to.output_bytes = in.number(0, any64); break;
      case f::output_truncated: to.output_truncated = in.flag(); break;
      case f::interrupted: to.interrupted = in.flag(); break;
      default: in.reject();
    }
  });
}

} // namespace vivarium::bridge
