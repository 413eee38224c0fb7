// SPDX-License-Identifier: Apache-2.0
#include "bridge/value_view.hpp"
#include "daemon/wire.hpp"
#include "daemon/wire_bytes.hpp"

#include <optional>
#include <utility>
#include <vector>

// What a worker answers when it is asked about itself. Its values are well formed, the session saw
// to that, but what they say is an attacker's: each is read as what it should be, or the answer
// counts as none.
namespace vivarium::wire {

namespace {

using bridge::value_kind;
using bridge::value_view;

constexpr std::size_t most_rows = 10'000;
constexpr std::size_t most_text = 4'096;
constexpr std::size_t generations = 3;

/// What is being read, until the first thing that does not fit.
class reader {
public:
  [[nodiscard]] bool fine() const noexcept { return fine_; }

  /// The value of a key of an encoded dict; empty when there is none.
  std::string_view at(std::string_view dict, std::string_view key) {
    auto view = open(dict, value_kind::dict);
    for (bridge::field_walk walk{view.content}; walk.next();) {
      auto entry = bridge::open_entry(walk.content());
      auto name = value_view::open(entry.key);
      if (name.kind == value_kind::text && name.content == key)
        return entry.value;
    }
    fine_ = false;
    return {};
  }

  /// The items of a list or tuple, at most so many.
  std::vector<std::string_view> items(std::string_view encoded, std::size_t most) {
    std::vector<std::string_view> out;
    if (encoded.empty())
      return out;
    auto view = value_view::open(encoded);
    fine_ = fine_ && (view.kind == value_kind::list || view.kind == value_kind::tuple);
    if (!fine_)
      return out;
    for (bridge::field_walk walk{view.content}; walk.next();) {
      if (out.size() == most) {
        fine_ = false;
        break;
      }
      out.push_back(walk.content());
    }
    return out;
  }

  /// The items of a tuple of known length; of another length they are empty values.
  std::vector<std::string_view> row(std::string_view encoded, std::size_t length) {
    auto out = items(encoded, length);
    fine_ = fine_ && out.size() == length;
    out.resize(length);
    return out;
  }

  std::string_view text(std::string_view encoded) {
    auto content = open(encoded, value_kind::text).content;
    fine_ = fine_ && content.size() <= most_text;
    return content;
  }

  /// An int that is not negative.
  std::uint64_t number(std::string_view encoded) {
    auto bits = open(encoded, value_kind::integer).bits;
    fine_ = fine_ && bits >> 63 == 0;
    return bits;
  }

  bool boolean(std::string_view encoded) { return open(encoded, value_kind::boolean).bits != 0; }

  /// A number, or None.
  std::optional<std::uint64_t> optional_number(std::string_view encoded) {
    if (!encoded.empty() && value_view::open(encoded).kind == value_kind::none)
      return std::nullopt;
    return number(encoded);
  }

private:
  value_view open(std::string_view encoded, value_kind wanted) {
    if (!encoded.empty()) {
      auto view = value_view::open(encoded);
      if (view.kind == wanted)
        return view;
    }
    fine_ = false;
    return {};
  }

  bool fine_ = true;
};

result<std::string> finish(const reader& in, codec as, message type, std::string binary) {
  if (!in.fine())
    return error{errc::failed_precondition, "the interpreter's answer makes no sense"};
  if (as == codec::proto)
    return binary;
  return to_json(type, binary);
}

} // namespace

result<std::string> encode_released(codec as, std::string_view value) {
  reader in;
  std::string out;
  append_number(out, 1, in.number(value));
  return finish(in, as, message::release_refs_response, std::move(out));
}

result<std::string> encode_variables(codec as, std::string_view value) {
  reader in;
  std::string out;
  for (auto encoded : in.items(in.at(value, "variables"), most_rows)) {
    auto row = in.row(encoded, 5);
    std::string one;
    append_text(one, 1, in.text(row[0]));
    append_text(one, 2, in.text(row[1]));
    append_text(one, 3, in.text(row[2]));
    if (auto length = in.optional_number(row[3])) {
      append_varint(one, number_field(4)); // Zero is a length too.
      append_varint(one, *length);
    }
    append_number(one, 5, in.number(row[4]));
    append_bytes(out, 1, one);
    if (!in.fine())
      break;
  }
  return finish(in, as, message::list_variables_response, std::move(out));
}

result<std::string> encode_interpreter(codec as, std::string_view value) {
  reader in;
  std::string out;
  append_text(out, 1, in.text(in.at(value, "version")));
  append_text(out, 2, in.text(in.at(value, "implementation")));
  append_text(out, 3, in.text(in.at(value, "platform")));
  for (auto path : in.items(in.at(value, "path"), most_rows))
    append_bytes(out, 4, in.text(path));
  for (auto encoded : in.items(in.at(value, "packages"), most_rows)) {
    auto row = in.row(encoded, 2);
    std::string one;
    append_text(one, 1, in.text(row[0]));
    append_text(one, 2, in.text(row[1]));
    append_bytes(out, 5, one);
  }
  return finish(in, as, message::get_interpreter_response, std::move(out));
}

result<std::string> encode_memory_stats(codec as, std::string_view value,
                                        const worker_memory& seen) {
  reader in;
  std::string out;
  for (auto encoded : in.row(in.at(value, "generations"), generations)) {
    auto row = in.row(encoded, 5);
    std::string one;
    for (std::uint32_t field = 1; field <= 5; ++field)
      append_number(one, field, in.number(row[field - 1]));
    append_bytes(out, 1, one);
  }
  append_number(out, 2, in.boolean(in.at(value, "enabled")) ? 1 : 0);
  append_number(out, 3, in.number(in.at(value, "traced")));
  append_number(out, 4, in.number(in.at(value, "traced_peak")));
  append_number(out, 5, in.boolean(in.at(value, "tracing")) ? 1 : 0);
  append_number(out, 6, in.number(in.at(value, "refs")));
  append_number(out, 7, in.number(in.at(value, "namespaces")));
  append_number(out, 8, in.number(in.at(value, "streams")));
  append_number(out, 9, seen.resident);
  append_number(out, 10, seen.peak);
  return finish(in, as, message::get_memory_stats_response, std::move(out));
}

result<std::string> encode_collected(codec as, std::string_view value) {
  reader in;
  std::string out;
  append_number(out, 1, in.number(in.at(value, "collected")));
  return finish(in, as, message::collect_garbage_response, std::move(out));
}

result<std::string> encode_tracemalloc(codec as, std::string_view value) {
  reader in;
  std::string out;
  append_number(out, 1, in.boolean(in.at(value, "was_enabled")) ? 1 : 0);
  return finish(in, as, message::set_tracemalloc_response, std::move(out));
}

} // namespace vivarium::wire
