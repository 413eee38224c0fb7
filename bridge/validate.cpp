// SPDX-License-Identifier: Apache-2.0
#include "bridge/validate.hpp"

#include "bridge/array_view.hpp"
#include "bridge/utf8.hpp"
#include "bridge/value_view.hpp"
#include "bridge/wire_reader.hpp"

#include <cstdint>
#include <limits>
#include <span>

namespace vivarium::bridge {

namespace {

// What a strict decoder of vivarium.v1 knows, as tables: one row per field, and what may and must
// be there. The walk below knows nothing of the messages themselves.

enum class content : std::uint8_t { varint, varints, fixed64, text, bytes, message };

struct message_table;

struct field_row {
  std::uint32_t number;
  content holds;
  bool repeated = false;
  const message_table* table = nullptr;
  std::uint64_t most = std::numeric_limits<std::uint64_t>::max(); // Of a varint, as it is encoded.
  const char* (*check)(std::string_view) = nullptr; // Of what is whole; returns what is wrong.
};

struct message_table {
  std::span<const field_row> rows;
  std::uint64_t required = 0; // Bits of the fields that must be there.
  std::uint64_t one_of = 0;   // Bits of the fields of which there is one at most.
  bool exactly_one = false;   // The message is a oneof.
};

extern const message_table value_table;
extern const message_table error_table;

constexpr std::uint64_t bit(std::uint32_t number) {
  return std::uint64_t{1} << number;
}

const message_table none_table{};

const field_row sequence_rows[] = {{1, content::message, true, &value_table}};
const message_table sequence_table{sequence_rows};

const field_row entry_rows[] = {{1, content::message, false, &value_table},
                                {2, content::message, false, &value_table}};
const message_table entry_table{entry_rows, bit(1) | bit(2)};

const field_row mapping_rows[] = {{1, content::message, true, &entry_table}};
const message_table mapping_table{mapping_rows};

const field_row opaque_rows[] = {{1, content::text}, {2, content::text}};
const message_table opaque_table{opaque_rows};

const field_row complex_rows[] = {{1, content::fixed64}, {2, content::fixed64}};
const message_table complex_table{complex_rows};

constexpr field_row number(std::uint32_t field, std::uint64_t most) {
  return {field, content::varint, false, nullptr, most};
}
// Of a number in zigzag encoding, of either sign.
constexpr field_row signed_number(std::uint32_t field, std::uint64_t most) {
  return number(field, 2 * most);
}

const field_row date_rows[] = {number(1, 9999), number(2, 12), number(3, 31)};
const message_table date_table{date_rows};

const field_row zone_rows[] = {signed_number(1, 86'400'000'000 - 1), {2, content::text}};
const message_table zone_table{zone_rows};

const field_row time_rows[] = {number(1, 23), number(2, 59),
                               number(3, 59), number(4, 999'999),
                               number(5, 1),  {6, content::message, false, &zone_table}};
const message_table time_table{time_rows};

const field_row datetime_rows[] = {{1, content::message, false, &date_table},
                                   {2, content::message, false, &time_table}};
const message_table datetime_table{datetime_rows};

const field_row timedelta_rows[] = {signed_number(1, 999'999'999), number(2, 86'399),
                                    number(3, 999'999)};
const message_table timedelta_table{timedelta_rows};

const field_row term_rows[] = {{1, content::text}, {2, content::bytes}};
const message_table term_table{term_rows};

const field_row array_rows[] = {
    {1, content::text}, {2, content::varints, true}, {3, content::bytes}};
const message_table array_table{array_rows};

const field_row construct_rows[] = {{1, content::text},
                                    {2, content::text},
                                    {3, content::message, true, &value_table},
                                    {4, content::message, true, &entry_table}};
const message_table construct_table{construct_rows};

const field_row ref_rows[] = {
    {1, content::text}, {2, content::text}, {3, content::text}, {4, content::varint}};
const message_table ref_table{ref_rows};

const field_row function_rows[] = {{1, content::text}};
const message_table function_table{function_rows, bit(1)};

const char* check_uuid(std::string_view bytes) {
  return bytes.size() == 16 ? nullptr : "a UUID does not have 16 bytes";
}

const char* check_array(std::string_view encoded) {
  array_view array;
  return array.open(encoded);
}

const field_row value_rows[] = {
    {1, content::message, false, &none_table},
    {2, content::varint},
    {3, content::varint},
    {4, content::bytes},
    {5, content::fixed64},
    {6, content::text},
    {7, content::bytes},
    {8, content::message, false, &sequence_table},
    {9, content::message, false, &sequence_table},
    {10, content::message, false, &mapping_table},
    {11, content::message, false, &sequence_table},
    {12, content::message, false, &sequence_table},
    {13, content::bytes},
    {14, content::message, false, &complex_table},
    {15, content::message, false, &datetime_table},
    {16, content::message, false, &date_table},
    {17, content::message, false, &time_table},
    {18, content::message, false, &timedelta_table},
    {19, content::text},
    {.number = 20, .holds = content::bytes, .check = check_uuid},
    {21, content::text},
    {22, content::message, false, &term_table},
    {.number = 23, .holds = content::message, .table = &array_table, .check = check_array},
    {25, content::message, false, &construct_table},
    {26, content::message, false, &ref_table},
    {27, content::message, false, &function_table},
    {30, content::message, false, &opaque_table},
};
const message_table value_table{value_rows, 0, 0, true};

const field_row part_rows[] = {{1, content::text}, {2, content::text}, {3, content::bytes}};
const message_table part_table{part_rows, bit(1)};

const field_row display_rows[] = {{1, content::message, true, &part_table}};
const message_table display_table{display_rows};

const field_row frame_rows[] = {
    {1, content::text}, {2, content::varint}, {3, content::text}, {4, content::text}};
const message_table frame_table{frame_rows};

const field_row syntax_rows[] = {{1, content::text},   {2, content::varint}, {3, content::varint},
                                 {4, content::varint}, {5, content::varint}, {6, content::text}};
const message_table syntax_table{syntax_rows};

const field_row shape_mismatch_rows[] = {{1, content::text},
                                         {2, content::varints, true},
                                         {3, content::varints, true},
                                         {4, content::text}};
const message_table shape_mismatch_table{shape_mismatch_rows};

const field_row out_of_memory_rows[] = {
    {1, content::text}, {2, content::varint}, {3, content::varint}, {4, content::varint}};
const message_table out_of_memory_table{out_of_memory_rows};

const field_row dtype_mismatch_rows[] = {
    {1, content::text}, {2, content::text}, {3, content::text}};
const message_table dtype_mismatch_table{dtype_mismatch_rows};

const field_row error_rows[] = {
    {1, content::varint},
    {2, content::text},
    {3, content::text},
    {4, content::text, true},
    {5, content::text},
    {6, content::message, true, &frame_table},
    {7, content::text},
    {8, content::message, false, &error_table},
    {9, content::message, false, &error_table},
    {10, content::message, true, &error_table},
    {11, content::message, false, &syntax_table},
    {12, content::text},
    {13, content::message, true, &value_table},
    {14, content::message, false, &shape_mismatch_table},
    {15, content::message, false, &out_of_memory_table},
    {16, content::message, false, &dtype_mismatch_table},
};
const message_table error_table{error_rows, bit(1), bit(14) | bit(15) | bit(16)};

const field_row log_record_rows[] = {
    number(1, 6),         {2, content::text},
    {3, content::text},   {4, content::text},
    {5, content::varint}, {6, content::text},
    {7, content::varint}, {8, content::text},
    {9, content::text},   {10, content::message, true, &entry_table}};
const message_table log_record_table{log_record_rows, bit(1)};

const field_row progress_rows[] = {
    {1, content::fixed64}, {2, content::fixed64}, {3, content::text}};
const message_table progress_table{progress_rows};

const field_row host_error_rows[] = {{1, content::text},
                                     {2, content::text},
                                     {3, content::text},
                                     {4, content::message, false, &value_table}};
const message_table host_error_table{host_error_rows};

const field_row value_items_rows[] = {{1, content::message, true, &value_table}};
const message_table value_items_table{value_items_rows};
const field_row repr_items_rows[] = {{3, content::text, true}};
const message_table repr_items_table{repr_items_rows};

const field_row* find_row(const message_table& table, std::uint64_t number) {
  // Numbers mostly are without gaps: the row is where the number says.
  if (number >= 1 && number <= table.rows.size() && table.rows[number - 1].number == number)
    return &table.rows[number - 1];
  for (std::size_t i = table.rows.size(); i-- > 0;)
    if (table.rows[i].number == number)
      return &table.rows[i];
  return nullptr;
}

constexpr std::uint64_t wire_type_of(content holds) {
  switch (holds) {
    case content::varint:
    case content::varints: return 0;
    case content::fixed64: return 1;
    default: return 2;
  }
}

class walker {
public:
  explicit walker(const decode_bounds& bounds) : bounds_{bounds}, items_left_{bounds.max_items} {}

  // Returns what is wrong, or null.
  const char* walk(std::string_view body, const message_table& table, int depth);

private:
  const char* walk_field(const char*& at, const char* end, const message_table& table, int depth,
                         std::uint64_t& seen);
  const char* walk_packed(const char*& at, const char* end);
  const char* walk_content(const char*& at, const char* end, const field_row& row, int depth);

  const decode_bounds& bounds_;
  std::size_t items_left_;
};

bool read_varint(const char*& at, const char* end, std::uint64_t& value) {
  value = 0;
  for (int shift = 0; at != end && shift < 64; shift += 7) {
    auto byte = static_cast<unsigned char>(*at++);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80)
      return shift < 63 || byte <= 1;
  }
  return false;
}

const char* walker::walk(std::string_view body, const message_table& table, int depth) {
  std::uint64_t seen = 0;
  const char* at = body.data();
  const char* end = at + body.size();
  while (at != end)
    if (const char* wrong = walk_field(at, end, table, depth, seen))
      return wrong;
  if ((seen & table.required) != table.required)
    return "a field is missing";
  if (table.exactly_one && (seen == 0 || (seen & (seen - 1)) != 0))
    return "a value has no kind, or several";
  if (auto chosen = seen & table.one_of; (chosen & (chosen - 1)) != 0)
    return "of several fields only one may be there";
  return nullptr;
}

const char* walker::walk_field(const char*& at, const char* end, const message_table& table,
                               int depth, std::uint64_t& seen) {
  std::uint64_t tag = 0;
  if (!read_varint(at, end, tag))
    return "a tag is cut off";
  const auto* row = find_row(table, tag >> 3);
  if (row == nullptr)
    return "a field is unknown";
  bool is_packed = row->holds == content::varints && (tag & 7) == 2;
  if ((tag & 7) != wire_type_of(row->holds) && !is_packed)
    return "a field has the wrong wire type";
  if (row->repeated) {
    if (items_left_-- == 0)
      return "there are too many parts";
  } else if ((seen & bit(row->number)) != 0) {
    return "a field is there twice";
  }
  seen |= bit(row->number);
  return is_packed ? walk_packed(at, end) : walk_content(at, end, *row, depth);
}

const char* walker::walk_content(const char*& at, const char* end, const field_row& row,
                                 int depth) {
  std::uint64_t number = 0;
  if (row.holds == content::fixed64) {
    if (end - at < 8)
      return "a number is cut off";
    at += 8;
    return nullptr;
  }
  if (!read_varint(at, end, number))
    return "a number is cut off";
  if (row.holds == content::varint || row.holds == content::varints)
    return number <= row.most ? nullptr : "a number is out of range";
  if (number > static_cast<std::uint64_t>(end - at))
    return "a field is cut off";
  std::string_view inside{at, static_cast<std::size_t>(number)};
  at += number;
  if (row.holds == content::text)
    return is_utf8(inside) ? nullptr : "a text is not valid UTF-8";
  if (row.holds == content::bytes)
    return row.check == nullptr ? nullptr : row.check(inside);
  if (depth >= bounds_.max_depth)
    return "it nests too deeply";
  if (!row.repeated && items_left_-- == 0)
    return "there are too many parts";
  const char* wrong = walk(inside, *row.table, depth + 1);
  return wrong != nullptr || row.check == nullptr ? wrong : row.check(inside);
}

// Numbers in one field: each counts, because a decoder makes it larger.
const char* walker::walk_packed(const char*& at, const char* end) {
  std::uint64_t size = 0;
  if (!read_varint(at, end, size) || size > static_cast<std::uint64_t>(end - at))
    return "a field is cut off";
  std::string_view packed{at, static_cast<std::size_t>(size)};
  at += size;
  bool whole =
      each_packed(packed, [&](std::uint64_t) { return items_left_ != 0 && items_left_-- != 0; });
  return whole ? nullptr : "packed numbers are cut off, or too many";
}

status validate(std::string_view encoded, const message_table& table, std::string_view name,
                const decode_bounds& bounds) {
  if (encoded.size() > bounds.max_bytes)
    return error{errc::too_large, std::string{name} + " of " + std::to_string(encoded.size())
                                      + " bytes is over the limit of "
                                      + std::to_string(bounds.max_bytes)};
  if (const char* wrong = walker{bounds}.walk(encoded, table, 0))
    return error{errc::malformed, "malformed " + std::string{name} + ": " + wrong};
  return done{};
}

} // namespace

status validate_value(std::string_view encoded, const decode_bounds& bounds) {
  return validate(encoded, value_table, "value", bounds);
}

status validate_error(std::string_view encoded, const decode_bounds& bounds) {
  return validate(encoded, error_table, "error", bounds);
}

status validate_display(std::string_view encoded, const decode_bounds& bounds) {
  return validate(encoded, display_table, "display", bounds);
}

status validate_log_record(std::string_view encoded, const decode_bounds& bounds) {
  return validate(encoded, log_record_table, "log record", bounds);
}

status validate_progress(std::string_view encoded, const decode_bounds& bounds) {
  return validate(encoded, progress_table, "progress", bounds);
}

status validate_host_error(std::string_view encoded, const decode_bounds& bounds) {
  return validate(encoded, host_error_table, "host error", bounds);
}

status validate_items(std::string_view encoded, std::uint64_t count, bool as_repr,
                      const decode_bounds& bounds) {
  auto ok = validate(encoded, as_repr ? repr_items_table : value_items_table, "items", bounds);
  if (!ok)
    return ok;
  std::uint64_t found = 0;
  for (field_walk walk{encoded}; walk.next();)
    ++found;
  if (found != count)
    return error{errc::malformed, "items: " + std::to_string(found) + " are there, "
                                      + std::to_string(count) + " were announced"};
  return done{};
}

bool is_utf8(std::string_view text) noexcept {
  return utf8_prefix(text) == text.size();
}

void append_utf8_lossy(std::string& out, std::string_view text) {
  while (true) {
    auto valid = utf8_prefix(text);
    out += text.substr(0, valid);
    if (valid == text.size())
      return;
    out += "\xef\xbf\xbd";
    text.remove_prefix(valid + 1);
  }
}

} // namespace vivarium::bridge
