// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace vivarium::bridge {

// Field numbers of the messages in worker_protocol.hpp, for the worker, which writes big contents
// straight into its outgoing buffer. Every field is always present, once, in any order.

enum class evaluate_field : std::uint32_t {
  execution = 1,
  source,
  filename,
  first_line,
  mode,
  form,
  start_before_us,
  max_result_bytes,
  max_output_bytes,
  name_space,
  operands,
  options,
  owner,
  stream_credit,
  host,
  within,
  request_id,
  traceparent,
};

enum class pull_field : std::uint32_t { execution = 1, credit };

enum class app_input_field : std::uint32_t { execution = 1, kind, code, content };

enum class app_taken_field : std::uint32_t { execution = 1, bytes };

enum class hello_field : std::uint32_t { protocol = 1, python_version };

enum class output_field : std::uint32_t { execution = 1, is_stderr, text };

enum class display_field : std::uint32_t { execution = 1, content };

enum class finished_field : std::uint32_t {
  execution = 1,
  kind,
  content,
  output_bytes,
  output_truncated,
  interrupted,
};

enum class parked_field : std::uint32_t { execution = 1 };

enum class host_call_field : std::uint32_t {
  execution = 1,
  call,
  kind,
  blocking,
  host,
  name,
  operands,
  timeout_ms,
};

enum class host_drop_field : std::uint32_t { call = 1 };

enum class host_result_field : std::uint32_t { call = 1, kind, content, host };

enum class note_field : std::uint32_t { execution = 1, kind, content };

enum class items_field : std::uint32_t { execution = 1, count, content };

/// The tag of a field with a varint, and of one with a length; for fields below 16.
template <class Field>
constexpr char varint_tag(Field field) noexcept {
  return static_cast<char>(static_cast<std::uint32_t>(field) << 3);
}
template <class Field>
constexpr char bytes_tag(Field field) noexcept {
  return static_cast<char>(static_cast<std::uint32_t>(field) << 3 | 2);
}

} // namespace vivarium::bridge
