// SPDX-License-Identifier: Apache-2.0
#include "clients/cpp/src/wire.hpp"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

namespace vivarium {
inline namespace client_v1 {

namespace detail {

namespace {

std::vector<value> items_of(v1::Sequence& from, const origin& at) {
  std::vector<value> out;
  out.reserve(static_cast<std::size_t>(from.items_size()));
  for (auto& each : *from.mutable_items())
    out.push_back(decode(each, at));
  return out;
}

dict decode(v1::Mapping& from, const origin& at) {
  dict out;
  out.entries.reserve(static_cast<std::size_t>(from.entries_size()));
  for (auto& each : *from.mutable_entries())
    out.entries.push_back({decode(*each.mutable_key(), at), decode(*each.mutable_value(), at)});
  return out;
}

date decode(const v1::Date& from) {
  return {from.year(), from.month(), from.day()};
}

time_of_day decode(const v1::Time& from) {
  time_of_day out{from.hour(), from.minute(), from.second(), from.microsecond(), from.fold()};
  if (from.has_zone()) {
    out.zone.emplace();
    out.zone->name = from.zone().name();
    if (from.zone().has_offset_us())
      out.zone->offset = std::chrono::microseconds{from.zone().offset_us()};
  }
  return out;
}

uuid decode_uuid(const std::string& from) {
  uuid out;
  if (from.size() != out.content.size())
    throw connection_error{"the daemon sent a UUID of another size"};
  std::memcpy(out.content.data(), from.data(), from.size());
  return out;
}

ndarray decode(v1::NdArray& from) {
  return {std::move(*from.mutable_dtype()),
          {from.shape().begin(), from.shape().end()},
          std::move(*from.mutable_data())};
}

construct decode(v1::Construct& from, const origin& at) {
  construct out{from.module(), from.name(), {}, {}};
  for (auto& each : *from.mutable_args())
    out.args.push_back(decode(each, at));
  for (auto& each : *from.mutable_kwargs())
    out.kwargs.emplace_back(each.key().text(), decode(*each.mutable_value(), at));
  return out;
}

ref decode(const v1::Ref& from, const origin& at) {
  if (at.from)
    return ref{at.from->adopt(at.session, from)};
  auto state = std::make_shared<ref_state>();
  state->id = from.id();
  state->type_name = from.type_name();
  state->repr = from.repr();
  if (from.has_length())
    state->length = from.length();
  return ref{std::move(state)};
}

} // namespace

value decode(v1::Value& from, const origin& at) {
  using v1::Value;
  switch (from.kind_case()) {
    case Value::kBoolean: return from.boolean();
    case Value::kInteger: return from.integer();
    case Value::kBigInteger: return big_int::from_bytes(std::move(*from.mutable_big_integer()));
    case Value::kReal: return from.real();
    case Value::kText: return std::move(*from.mutable_text());
    case Value::kBlob: return bytes{std::move(*from.mutable_blob())};
    case Value::kList: return list{items_of(*from.mutable_list(), at)};
    case Value::kTuple: return tuple{items_of(*from.mutable_tuple(), at)};
    case Value::kDict: return decode(*from.mutable_dict(), at);
    case Value::kSet: return set{items_of(*from.mutable_set(), at)};
    case Value::kFrozenset: return frozenset{items_of(*from.mutable_frozenset(), at)};
    case Value::kBytearray: return bytearray{bytes{std::move(*from.mutable_bytearray())}};
    case Value::kComplex: return std::complex<double>{from.complex().real(), from.complex().imag()};
    case Value::kDatetime:
      return datetime{decode(from.datetime().date()), decode(from.datetime().time())};
    case Value::kDate: return decode(from.date());
    case Value::kTime: return decode(from.time());
    case Value::kTimedelta:
      return timedelta{from.timedelta().days(), from.timedelta().seconds(),
                       from.timedelta().microseconds()};
    case Value::kDecimal: return decimal{std::move(*from.mutable_decimal())};
    case Value::kUuid: return decode_uuid(from.uuid());
    case Value::kSymbol: return symbol{std::move(*from.mutable_symbol())};
    case Value::kTerm:
      return term{from.term().type(), bytes{std::move(*from.mutable_term()->mutable_data())}};
    case Value::kArray: return decode(*from.mutable_array());
    case Value::kConstruct: return decode(*from.mutable_construct(), at);
    case Value::kRef: return decode(from.ref(), at);
    case Value::kFunction: return host_function::named(from.function().name());
    case Value::kOpaque: return opaque{from.opaque().type_name(), from.opaque().repr()};
    case Value::kNone:
    case Value::KIND_NOT_SET: break; // The latter is a kind of the future.
  }
  return {};
}

namespace {

// 2^53: beyond it a double does not hold every int.
constexpr double exact_int = 9007199254740992.0;

} // namespace

value natural(const google::protobuf::Value& from) {
  using google::protobuf::Value;
  switch (from.kind_case()) {
    case Value::kBoolValue: return from.bool_value();
    case Value::kStringValue: return from.string_value();
    case Value::kNumberValue: {
      const double number = from.number_value();
      if (std::abs(number) < exact_int && number == std::trunc(number))
        return static_cast<std::int64_t>(number);
      return number;
    }
    case Value::kListValue: {
      list out;
      for (const auto& each : from.list_value().values())
        out.items.push_back(natural(each));
      return out;
    }
    case Value::kStructValue: {
      dict out;
      for (const auto& [name, held] : from.struct_value().fields())
        out.entries.push_back({name, natural(held)});
      return out;
    }
    default: return {};
  }
}

} // namespace detail

value value::from_json(std::string_view text) {
  google::protobuf::Value parsed;
  const auto status = google::protobuf::util::JsonStringToMessage(
      google::protobuf::StringPiece{text.data(), text.size()}, &parsed);
  if (!status.ok() || parsed.kind_case() == google::protobuf::Value::KIND_NOT_SET)
    throw conversion_error{"JSON text", "vivarium::value", std::string{status.message()}};
  return detail::natural(parsed);
}

} // namespace client_v1
} // namespace vivarium
