// SPDX-License-Identifier: Apache-2.0
#include "daemon/wire_value.hpp"

#include "bridge/natural_in.hpp"
#include "bridge/raw_memory.hpp"
#include "bridge/validate.hpp"
#include "bridge/value_view.hpp"
#include "daemon/wire_fields.hpp"

#include <map>

namespace vivarium::wire {

namespace {

// Fields of Value, Mapping and Entry.
constexpr std::uint32_t text_kind = 6;
constexpr std::uint32_t list_kind = 8;
constexpr std::uint32_t dict_kind = 10;
constexpr std::uint32_t items_field = 1;
constexpr std::uint32_t key_field = 1;
constexpr std::uint32_t value_field = 2;

// Of ValueOptions, by field number less one: the last number of each enum, and its name.
constexpr std::array<std::int32_t, 5> last_numbers{3, 3, 2, 3, 2};
constexpr std::array<std::string_view, 5> option_names{"unserializable", "blob_as", "set_as",
                                                       "symbol_as", "ref_lifetime"};

std::size_t entry_size(const named_value& entry) noexcept {
  return field_size(field_size(entry.name.size())) + field_size(entry.value.size());
}

std::size_t body_size(const std::vector<named_value>& entries) noexcept {
  std::size_t out = 0;
  for (const auto& entry : entries)
    out += field_size(entry_size(entry));
  return out;
}

std::size_t body_size(const std::vector<std::string_view>& items) noexcept {
  std::size_t out = 0;
  for (auto item : items)
    out += field_size(item.size());
  return out;
}

// A name in an error message: it may be long.
std::string printable(std::string_view name) {
  constexpr std::size_t most = 64;
  std::string out;
  bridge::append_utf8_lossy(out, name.substr(0, most));
  return out;
}

} // namespace

void value_fields::fill_from(const value_fields& other) noexcept {
  for (std::size_t i = 0; i < numbers.size(); ++i)
    if (numbers[i] == 0)
      numbers[i] = other.numbers[i];
}

status read_value_options(value_fields& into, std::string_view encoded) {
  return read_fields(encoded, [&into](protozero::pbf_reader& r) -> status {
    auto number = r.tag();
    if (field_of(r) != number_field(number) || number > into.numbers.size())
      return skip(r);
    into.numbers[number - 1] = r.get_enum();
    return done{};
  });
}

result<value_choice> check_value_options(const value_fields& fields) {
  for (std::size_t i = 0; i < fields.numbers.size(); ++i)
    if (auto ok = check_enum(fields.numbers[i], last_numbers[i], option_names[i]); !ok)
      return std::move(ok).why();
  auto number = [&fields](std::size_t i) { return static_cast<std::uint8_t>(fields.numbers[i]); };
  value_choice out;
  out.options.unserializable = number(0);
  out.options.blob_as = number(1);
  out.options.set_as = number(2);
  out.options.symbol_as = number(3);
  out.of_connection = number(4) == 2;
  return out;
}

status named_values::add(std::string_view entry) {
  named_value one;
  auto ok = read_fields(entry, [&one](protozero::pbf_reader& r) -> status {
    switch (field_of(r)) {
      case text_field(1): one.name = view_of(r); return done{};
      case text_field(2): one.value = view_of(r); return done{};
      default: return skip(r);
    }
  });
  if (ok)
    typed_.push_back(one);
  return ok;
}

result<std::vector<named_value>> named_values::merge(std::string_view what) {
  std::vector<named_value> out;
  out.reserve(typed_.size());
  // Not hashed: the names are the client's, who can make any number that have the same hash.
  std::map<std::string_view, std::size_t> places;
  for (const auto& entry : typed_) {
    auto [place, fresh] = places.try_emplace(entry.name, out.size());
    if (fresh)
      out.push_back(entry);
    else
      out[place->second].value = entry.value;
  }
  if (!has_json_)
    return out;
  auto natural = bridge::value_of_struct_map(json_);
  if (!natural)
    return of_client(std::move(natural).why(), what);
  natural_ = *std::move(natural);
  for (bridge::field_walk walk{bridge::value_view::open(natural_).content}; walk.next();) {
    auto entry = bridge::open_entry(walk.content());
    named_value one{bridge::value_view::open(entry.key).content, entry.value};
    if (!places.try_emplace(one.name, out.size()).second)
      return wrong("`" + std::string{what} + "`: \"" + printable(one.name)
                   + "\" is there both as a value and in natural JSON");
    out.push_back(one);
  }
  return out;
}

std::size_t dict_size(const std::vector<named_value>& entries) noexcept {
  return field_size(body_size(entries));
}

void append_dict(std::string& out, const std::vector<named_value>& entries) {
  append_head(out, dict_kind, body_size(entries));
  for (const auto& entry : entries) {
    append_head(out, items_field, entry_size(entry));
    append_head(out, key_field, field_size(entry.name.size()));
    append_bytes(out, text_kind, entry.name);
    append_bytes(out, value_field, entry.value);
  }
}

std::size_t list_size(const std::vector<std::string_view>& items) noexcept {
  return field_size(body_size(items));
}

void append_list(std::string& out, const std::vector<std::string_view>& items) {
  append_head(out, list_kind, body_size(items));
  for (auto item : items)
    append_bytes(out, items_field, item);
}

error of_client(error why, std::string_view what) {
  // What is malformed in a worker's message is the daemon's trouble; here it is the client's.
  if (why.code == errc::malformed)
    why.code = errc::invalid_argument;
  why.detail.insert(0, "`" + std::string{what} + "`: ");
  return why;
}

status check_value(std::string_view encoded, std::string_view what) {
  if (auto ok = bridge::validate_value(encoded); !ok)
    return of_client(std::move(ok).why(), what);
  return done{};
}

result<std::string> make_variables(named_values& from, std::string_view what) {
  std::string out;
  if (from.empty())
    return out;
  auto entries = from.merge(what);
  if (!entries)
    return std::move(entries).why();
  auto size = dict_size(*entries);
  out.reserve(size);
  bridge::expect_large(out.data(), size);
  append_dict(out, *entries);
  if (auto ok = check_value(out, what); !ok)
    return std::move(ok).why();
  return out;
}

} // namespace vivarium::wire
