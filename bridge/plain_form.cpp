// SPDX-License-Identifier: Apache-2.0
#include "bridge/plain_form.hpp"

#include "bridge/array_view.hpp"
#include "bridge/typed_text.hpp"
#include "bridge/wire_reader.hpp"

#include <protozero/buffer_string.hpp>
#include <protozero/pbf_writer.hpp>

#include <bit>
#include <cstring>

namespace vivarium::bridge {

namespace {

using protozero::pbf_writer;

constexpr protozero::pbf_tag_type field_of(value_kind kind) {
  return static_cast<protozero::pbf_tag_type>(kind);
}

void put_text(pbf_writer& to, std::string_view text) {
  to.add_string(field_of(value_kind::text), text.data(), text.size());
}

std::string text_value(std::string_view text) {
  std::string out;
  pbf_writer to{out};
  put_text(to, text);
  return out;
}

// A dict with str keys, entry by entry.
class object_writer {
public:
  explicit object_writer(std::string& out)
      : out_{out}, entries_{out_, field_of(value_kind::dict)} {}

  template <class Put>
  void add(std::string_view key, Put put) {
    pbf_writer entry{entries_, 1};
    {
      pbf_writer name{entry, 1};
      put_text(name, key);
    }
    pbf_writer value{entry, 2};
    put(value);
  }
  void add_text(std::string_view key, std::string_view text) {
    add(key, [&](pbf_writer& to) { put_text(to, text); });
  }
  void add_bytes(std::string_view key, std::string_view bytes) {
    add(key, [&](pbf_writer& to) {
      to.add_bytes(field_of(value_kind::blob), bytes.data(), bytes.size());
    });
  }
  void add_number(std::string_view key, std::uint64_t number) {
    add(key, [&](pbf_writer& to) { put_unsigned(to, number); });
  }

  static void put_unsigned(pbf_writer& to, std::uint64_t number) {
    if (number >> 63 == 0)
      return to.add_sint64(field_of(value_kind::integer), static_cast<std::int64_t>(number));
    char bytes[9] = {};
    std::memcpy(bytes, &number, sizeof(number));
    to.add_bytes(field_of(value_kind::big_integer), bytes, sizeof(bytes));
  }

private:
  pbf_writer out_;
  pbf_writer entries_;
};

template <class Write>
void write_object(std::string& out, Write write) {
  object_writer object{out}; // Complete when it is gone.
  write(object);
}

std::string ref_object(std::string_view message) {
  std::string out;
  std::string_view parts[4];
  wire_field length;
  wire_reader reader{message};
  for (wire_field field; reader.next(field);) {
    if (field.number <= 3)
      parts[field.number] = field.content;
    else
      length = field;
  }
  write_object(out, [&](object_writer& object) {
    object.add_text("$ref", parts[1]);
    object.add_text("type", parts[2]);
    object.add_text("repr", parts[3]);
    if (length.number == 4)
      object.add_number("length", length.bits);
  });
  return out;
}

std::string term_object(std::string_view message) {
  std::string out;
  std::string_view parts[3];
  for (field_walk fields{message}; fields.next();)
    if (fields.number() <= 2)
      parts[fields.number()] = fields.content();
  write_object(out, [&](object_writer& object) {
    object.add_text("type", parts[1]);
    object.add_bytes("data", parts[2]);
  });
  return out;
}

std::string function_object(std::string_view message) {
  std::string out;
  std::string_view name;
  for (field_walk fields{message}; fields.next();)
    if (fields.number() == 1)
      name = fields.content();
  write_object(out, [&](object_writer& object) { object.add_text("$function", name); });
  return out;
}

// Only told by its name: it goes to Python, never comes from there.
std::string construct_text(std::string_view message) {
  std::string_view name;
  wire_reader reader{message};
  for (wire_field field; reader.next(field);)
    if (field.number == 2)
      name = field.content;
  return text_value(name);
}

double from_half(std::uint16_t bits) {
  std::uint64_t sign = std::uint64_t{bits} >> 15 << 63;
  int exponent = bits >> 10 & 31;
  std::uint64_t fraction = bits & 1023;
  if (exponent == 0) { // Zero, or a number without the leading one: in units of 2^-24.
    auto size = static_cast<double>(fraction) * 0x1p-24;
    return sign != 0 ? -size : size;
  }
  std::uint64_t wide = exponent == 31 ? 2047 : static_cast<std::uint64_t>(exponent - 15 + 1023);
  return std::bit_cast<double>(sign | wide << 52 | fraction << 42);
}

// Writes an array as nested lists.
class list_writer {
public:
  explicit list_writer(const array_view& array) : array_{array} {}

  [[nodiscard]] bool fits() const {
    if (std::string_view{"biuf"}.find(array_.kind) == std::string_view::npos
        || array_.item_bytes > sizeof(std::uint64_t)
        || array_.dimensions > listed_dimensions_at_most)
      return false;
    std::uint64_t parts = 1;
    for (std::size_t i = 0; i < array_.dimensions; ++i)
      if (__builtin_mul_overflow(parts, array_.shape[i], &parts) || parts > listed_items_at_most)
        return false;
    return true;
  }

  void append(pbf_writer& to, std::size_t dimension = 0) {
    if (dimension == array_.dimensions)
      return append_item(to);
    auto length = array_.shape[dimension];
    if (length == 0)
      return to.add_message(field_of(value_kind::list), "", 0);
    pbf_writer list{to, field_of(value_kind::list)};
    for (std::uint64_t i = 0; i < length; ++i) {
      pbf_writer item{list, 1};
      append(item, dimension + 1);
    }
  }

private:
  std::uint64_t next_bits() {
    std::uint64_t bits = 0;
    auto size = static_cast<std::size_t>(array_.item_bytes);
    for (std::size_t i = 0; i < size; ++i) {
      auto from = array_.order == '>' ? i : size - 1 - i;
      bits = bits << 8 | static_cast<unsigned char>(array_.data[at_ + from]);
    }
    at_ += size;
    return bits;
  }

  void append_item(pbf_writer& to) {
    auto bits = next_bits();
    auto unused = 64 - 8 * array_.item_bytes;
    switch (array_.kind) {
      case 'b': return to.add_bool(field_of(value_kind::boolean), bits != 0);
      case 'u': return object_writer::put_unsigned(to, bits);
      case 'i':
        return to.add_sint64(field_of(value_kind::integer),
                             static_cast<std::int64_t>(bits << unused) >> unused);
      default: return to.add_double(field_of(value_kind::real), as_double(bits));
    }
  }

  [[nodiscard]] double as_double(std::uint64_t bits) const {
    switch (array_.item_bytes) {
      case 2: return from_half(static_cast<std::uint16_t>(bits));
      case 4: return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
      default: return std::bit_cast<double>(bits);
    }
  }

  const array_view& array_;
  std::size_t at_ = 0;
};

void put_shape(pbf_writer& to, const array_view& array) {
  if (array.dimensions == 0)
    return to.add_message(field_of(value_kind::list), "", 0);
  pbf_writer list{to, field_of(value_kind::list)};
  for (std::size_t i = 0; i < array.dimensions; ++i) {
    pbf_writer item{list, 1};
    object_writer::put_unsigned(item, array.shape[i]);
  }
}

std::string array_form(std::string_view message) {
  std::string out;
  array_view array;
  if (array.open(message) != nullptr)
    return text_value({}); // Not when it has been validated.
  if (list_writer lists{array}; lists.fits()) {
    pbf_writer to{out};
    lists.append(to);
    return out;
  }
  write_object(out, [&](object_writer& object) {
    object.add_text("dtype", array.dtype);
    object.add("shape", [&](pbf_writer& to) { put_shape(to, array); });
    object.add_bytes("data", array.data);
  });
  return out;
}

template <class Append>
std::string written(Append append, std::string_view content) {
  std::string text;
  append(text, content);
  return text_value(text);
}

} // namespace

bool is_plain(value_kind kind) noexcept {
  return kind < value_kind::complex || kind == value_kind::decimal || kind == value_kind::symbol
         || kind == value_kind::opaque;
}

std::string plain_form(const value_view& value) {
  switch (value.kind) {
    case value_kind::complex: return written(append_complex_repr, value.content);
    case value_kind::datetime: return written(append_datetime_text, value.content);
    case value_kind::date: return written(append_date_text, value.content);
    case value_kind::time: return written(append_time_text, value.content);
    case value_kind::timedelta: return written(append_timedelta_text, value.content);
    case value_kind::uuid: return written(append_uuid_text, value.content);
    case value_kind::term: return term_object(value.content);
    case value_kind::array: return array_form(value.content);
    case value_kind::ref: return ref_object(value.content);
    case value_kind::function: return function_object(value.content);
    case value_kind::construct: return construct_text(value.content);
    default: return text_value(value.content);
  }
}

} // namespace vivarium::bridge
