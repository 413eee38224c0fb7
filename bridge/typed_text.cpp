// SPDX-License-Identifier: Apache-2.0
#include "bridge/typed_text.hpp"

#include "bridge/python_text.hpp"
#include "bridge/wire_reader.hpp"

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <span>

namespace vivarium::bridge {

namespace {

// The fields of a small message, each at its number; what is not there is zero or empty.
template <std::size_t Fields>
std::array<wire_field, Fields + 1> open_small(std::string_view message) {
  std::array<wire_field, Fields + 1> fields;
  wire_reader reader{message};
  wire_field field;
  while (reader.next(field))
    if (field.number <= Fields)
      fields[field.number] = field;
  return fields;
}

void append_padded(std::string& out, std::uint64_t number, std::size_t width) {
  auto digits = std::to_string(number);
  out.append(width > digits.size() ? width - digits.size() : 0, '0');
  out += digits;
}

// "03:04:05.000006", the fraction only when there is one.
void append_clock(std::string& out, std::uint64_t hour, std::uint64_t minute, std::uint64_t second,
                  std::uint64_t microsecond) {
  append_padded(out, hour, 2);
  out += ':';
  append_padded(out, minute, 2);
  out += ':';
  append_padded(out, second, 2);
  if (microsecond != 0) {
    out += '.';
    append_padded(out, microsecond, 6);
  }
}

constexpr std::uint64_t second_us = 1'000'000;

// "+01:00", with seconds and a fraction only when there are some.
void append_offset(std::string& out, std::int64_t offset_us) {
  out += offset_us < 0 ? '-' : '+';
  auto size = static_cast<std::uint64_t>(offset_us < 0 ? -offset_us : offset_us);
  auto seconds = size / second_us;
  append_padded(out, seconds / 3600, 2);
  out += ':';
  append_padded(out, seconds / 60 % 60, 2);
  if (size % (60 * second_us) == 0)
    return;
  out += ':';
  append_padded(out, seconds % 60, 2);
  if (size % second_us != 0) {
    out += '.';
    append_padded(out, size % second_us, 6);
  }
}

struct duration {
  std::int64_t days;
  std::uint64_t seconds, microseconds;
};

duration open_timedelta(std::string_view message) {
  auto fields = open_small<3>(message);
  return {unzigzag(fields[1].bits), fields[2].bits, fields[3].bits};
}

void append_duration_repr(std::string& out, const duration& value) {
  out += "datetime.timedelta(";
  auto begin = out.size();
  auto add = [&](const char* name, const std::string& number) {
    if (number == "0")
      return;
    out += out.size() == begin ? "" : ", ";
    out += name;
    out += number;
  };
  add("days=", std::to_string(value.days));
  add("seconds=", std::to_string(value.seconds));
  add("microseconds=", std::to_string(value.microseconds));
  out += out.size() == begin ? "0)" : ")";
}

void append_zone_repr(std::string& out, std::string_view message) {
  auto zone = open_small<2>(message);
  if (!zone[2].content.empty()) {
    out += "zoneinfo.ZoneInfo(key='";
    out += zone[2].content;
    out += "')";
    return;
  }
  auto offset = unzigzag(zone[1].bits);
  if (offset == 0) {
    out += "datetime.timezone.utc";
    return;
  }
  constexpr auto day_us = static_cast<std::int64_t>(86'400 * second_us);
  auto days = offset < 0 ? -1 : 0;
  auto rest = static_cast<std::uint64_t>(offset - days * day_us);
  out += "datetime.timezone(";
  append_duration_repr(out, {days, rest / second_us, rest % second_us});
  out += ')';
}

void append_numbers(std::string& out, std::span<const wire_field> fields) {
  bool first = true;
  for (const auto& field : fields) {
    out += first ? "" : ", ";
    out += std::to_string(field.bits);
    first = false;
  }
}

// Hour and minute always, what is finer when it is there, then what else is there.
void append_clock_arguments(std::string& out, std::string_view message) {
  auto time = open_small<6>(message);
  std::size_t count = time[4].bits != 0 ? 4 : time[3].bits != 0 ? 3 : 2;
  append_numbers(out, std::span{time}.subspan(1, count));
  if (time[5].bits != 0)
    out += ", fold=1";
  if (time[6].number != 0) {
    out += ", tzinfo=";
    append_zone_repr(out, time[6].content);
  }
}

void append_float_short(std::string& out, double value) {
  auto start = out.size();
  append_float_repr(out, value);
  if (std::string_view{out}.substr(start).ends_with(".0"))
    out.resize(out.size() - 2);
}

} // namespace

void append_complex_repr(std::string& out, std::string_view message) {
  auto parts = open_small<2>(message);
  auto real = std::bit_cast<double>(parts[1].bits);
  auto imag = std::bit_cast<double>(parts[2].bits);
  bool whole = parts[1].bits != 0; // Python leaves out a real part that is a positive zero.
  if (whole) {
    out += '(';
    append_float_short(out, real);
    if (std::isnan(imag) || !std::signbit(imag))
      out += '+';
  }
  append_float_short(out, imag);
  out += whole ? "j)" : "j";
}

void append_date_text(std::string& out, std::string_view message) {
  auto date = open_small<3>(message);
  append_padded(out, date[1].bits, 4);
  out += '-';
  append_padded(out, date[2].bits, 2);
  out += '-';
  append_padded(out, date[3].bits, 2);
}

void append_time_text(std::string& out, std::string_view message) {
  auto time = open_small<6>(message);
  append_clock(out, time[1].bits, time[2].bits, time[3].bits, time[4].bits);
  auto zone = open_small<2>(time[6].content);
  if (zone[1].number != 0)
    append_offset(out, unzigzag(zone[1].bits));
}

void append_datetime_text(std::string& out, std::string_view message) {
  auto parts = open_small<2>(message);
  append_date_text(out, parts[1].content);
  out += 'T';
  append_time_text(out, parts[2].content);
}

void append_timedelta_text(std::string& out, std::string_view message) {
  auto value = open_timedelta(message);
  if (value.days != 0) {
    out += std::to_string(value.days);
    out += value.days == 1 || value.days == -1 ? " day, " : " days, ";
  }
  std::string clock;
  append_clock(clock, value.seconds / 3600, value.seconds / 60 % 60, value.seconds % 60,
               value.microseconds);
  out += clock.starts_with('0') ? std::string_view{clock}.substr(1) : clock;
}

void append_uuid_text(std::string& out, std::string_view bytes) {
  static constexpr std::string_view digits = "0123456789abcdef";
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10)
      out += '-';
    auto byte = static_cast<unsigned char>(bytes[i]);
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
}

void append_date_repr(std::string& out, std::string_view message) {
  auto date = open_small<3>(message);
  out += "datetime.date(";
  append_numbers(out, std::span{date}.subspan(1));
  out += ')';
}

void append_time_repr(std::string& out, std::string_view message) {
  out += "datetime.time(";
  append_clock_arguments(out, message);
  out += ')';
}

void append_datetime_repr(std::string& out, std::string_view message) {
  auto parts = open_small<2>(message);
  auto date = open_small<3>(parts[1].content);
  out += "datetime.datetime(";
  append_numbers(out, std::span{date}.subspan(1));
  out += ", ";
  append_clock_arguments(out, parts[2].content);
  out += ')';
}

void append_timedelta_repr(std::string& out, std::string_view message) {
  append_duration_repr(out, open_timedelta(message));
}

} // namespace vivarium::bridge
