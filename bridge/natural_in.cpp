// SPDX-License-Identifier: Apache-2.0
#include "bridge/natural_in.hpp"

#include "bridge/value_view.hpp"
#include "bridge/wire_reader.hpp"

#include <protozero/buffer_string.hpp>
#include <protozero/pbf_writer.hpp>

#include <bit>
#include <cmath>

namespace vivarium::bridge {

namespace {

using protozero::pbf_writer;

constexpr protozero::pbf_tag_type field_of(value_kind kind) {
  return static_cast<protozero::pbf_tag_type>(kind);
}

// Fields of google.protobuf.Value.
enum json_field : std::uint32_t { null = 1, number, string, boolean, object, list };

// The field of a oneof that counts, which is the last one. Nothing is there: number 0.
const char* read_value(std::string_view encoded, wire_field& to) {
  constexpr std::uint32_t types[] = {0, 1, 2, 0, 2, 2};
  wire_reader reader{encoded};
  for (wire_field field; reader.next(field); to = field)
    if (field.number > list || field.type != types[field.number - 1])
      return "a value is malformed";
  return reader.failed() ? "a value is malformed" : nullptr;
}

struct json_entry {
  std::string_view key, value;
};

const char* read_entry(const wire_field& from, json_entry& to) {
  if (from.number != 1 || from.type != wire_field::bytes)
    return "an object is malformed";
  wire_reader reader{from.content};
  for (wire_field field; reader.next(field);) {
    if (field.number > 2 || field.type != wire_field::bytes)
      return "an object is malformed";
    (field.number == 1 ? to.key : to.value) = field.content;
  }
  if (reader.failed())
    return "an object is malformed";
  return is_utf8(to.key) ? nullptr : "a key is not valid UTF-8";
}

// The id, when an object stands for a ref.
std::string_view ref_id(std::string_view object) {
  std::string_view id;
  wire_reader reader{object};
  for (wire_field field; reader.next(field);) {
    json_entry entry;
    wire_field value;
    if (read_entry(field, entry) != nullptr || entry.key != "$ref")
      continue;
    bool is_id = read_value(entry.value, value) == nullptr && value.number == string
                 && value.content.starts_with("ref_");
    id = is_id ? value.content : std::string_view{};
  }
  return id;
}

class value_writer {
public:
  explicit value_writer(const decode_bounds& bounds)
      : items_left_{bounds.max_items}, max_depth_{bounds.max_depth} {}

  // Returns what is wrong, or null; `depth` counts the messages around what is written.
  const char* append(pbf_writer& to, std::string_view encoded, int depth);
  const char* append_object(pbf_writer& to, std::string_view encoded, int depth);
  const char* append_list(pbf_writer& to, std::string_view encoded, int depth);

private:
  const char* append_entry(pbf_writer& to, const wire_field& field, int depth);
  const char* spend(std::size_t parts) {
    if (items_left_ < parts)
      return "there are too many parts";
    items_left_ -= parts;
    return nullptr;
  }

  std::size_t items_left_;
  int max_depth_;
};

void append_number(pbf_writer& to, double value) {
  constexpr double exact = 9007199254740991; // 2^53 - 1
  bool is_int = std::abs(value) <= exact && std::trunc(value) == value
                && !(value == 0 && std::signbit(value));
  if (is_int)
    to.add_sint64(field_of(value_kind::integer), static_cast<std::int64_t>(value));
  else
    to.add_double(field_of(value_kind::real), value);
}

const char* value_writer::append(pbf_writer& to, std::string_view encoded, int depth) {
  wire_field field;
  if (const char* wrong = read_value(encoded, field))
    return wrong;
  const auto& content = field.content;
  switch (field.number) {
    case number: return append_number(to, std::bit_cast<double>(field.bits)), nullptr;
    case boolean: return to.add_bool(field_of(value_kind::boolean), field.bits != 0), nullptr;
    case string:
      if (!is_utf8(content))
        return "a string is not valid UTF-8";
      to.add_string(field_of(value_kind::text), content.data(), content.size());
      return nullptr;
    case list: return append_list(to, content, depth);
    case object: {
      auto id = ref_id(content);
      if (id.empty())
        return append_object(to, content, depth);
      if (!is_utf8(id))
        return "a string is not valid UTF-8";
      pbf_writer ref{to, field_of(value_kind::ref)};
      ref.add_string(1, id.data(), id.size());
      return depth < max_depth_ ? spend(1) : "it nests too deeply";
    }
    default:
      to.add_message(field_of(value_kind::none), "", 0);
      return depth < max_depth_ ? spend(1) : "it nests too deeply";
  }
}

// A nested writer into which nothing is written takes its tag back: what is empty is said outright.
const char* value_writer::append_list(pbf_writer& to, std::string_view encoded, int depth) {
  if (depth + 2 > max_depth_)
    return "it nests too deeply";
  if (encoded.empty())
    return to.add_message(field_of(value_kind::list), "", 0), spend(1);
  pbf_writer items{to, field_of(value_kind::list)};
  const char* wrong = spend(1);
  wire_reader reader{encoded};
  for (wire_field field; wrong == nullptr && reader.next(field);) {
    if (field.number != 1 || field.type != wire_field::bytes)
      return "a list is malformed";
    pbf_writer item{items, 1};
    wrong = spend(1);
    if (wrong == nullptr)
      wrong = append(item, field.content, depth + 2);
  }
  return wrong == nullptr && reader.failed() ? "a list is malformed" : wrong;
}

const char* value_writer::append_entry(pbf_writer& to, const wire_field& field, int depth) {
  json_entry read;
  if (const char* wrong = read_entry(field, read))
    return wrong;
  if (const char* wrong = spend(3))
    return wrong;
  pbf_writer entry{to, 1};
  {
    pbf_writer key{entry, 1};
    key.add_string(field_of(value_kind::text), read.key.data(), read.key.size());
  }
  pbf_writer value{entry, 2};
  return append(value, read.value, depth + 3);
}

const char* value_writer::append_object(pbf_writer& to, std::string_view encoded, int depth) {
  if (depth + 3 > max_depth_)
    return "it nests too deeply";
  if (encoded.empty())
    return to.add_message(field_of(value_kind::dict), "", 0), spend(1);
  pbf_writer entries{to, field_of(value_kind::dict)};
  const char* wrong = spend(1);
  wire_reader reader{encoded};
  for (wire_field field; wrong == nullptr && reader.next(field);)
    wrong = append_entry(entries, field, depth);
  return wrong == nullptr && reader.failed() ? "an object is malformed" : wrong;
}

template <class Append>
result<std::string> written(std::string_view encoded, const decode_bounds& bounds, Append append) {
  if (encoded.size() > bounds.max_bytes)
    return error{errc::too_large, "a value of " + std::to_string(encoded.size())
                                      + " bytes is over the limit of "
                                      + std::to_string(bounds.max_bytes)};
  std::string out;
  value_writer writer{bounds};
  const char* wrong = nullptr;
  {
    pbf_writer to{out};
    wrong = append(writer, to);
  }
  if (wrong != nullptr)
    return error{errc::malformed, std::string{"malformed value: "} + wrong};
  if (out.size() > bounds.max_bytes)
    return error{errc::too_large,
                 "a value is over the limit of " + std::to_string(bounds.max_bytes) + " bytes"};
  return out;
}

} // namespace

result<std::string> value_of_struct(std::string_view encoded, const decode_bounds& bounds) {
  return written(encoded, bounds, [&](value_writer& writer, pbf_writer& to) {
    return writer.append(to, encoded, 0);
  });
}

result<std::string> value_of_struct_map(std::string_view encoded, const decode_bounds& bounds) {
  return written(encoded, bounds, [&](value_writer& writer, pbf_writer& to) {
    return writer.append_object(to, encoded, 0);
  });
}

result<std::string> value_of_list(std::string_view encoded, const decode_bounds& bounds) {
  return written(encoded, bounds, [&](value_writer& writer, pbf_writer& to) {
    return writer.append_list(to, encoded, 0);
  });
}

} // namespace vivarium::bridge
