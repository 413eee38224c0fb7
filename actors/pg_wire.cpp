// SPDX-License-Identifier: Apache-2.0
#include "actors/pg_wire.hpp"

#include "bridge/validate.hpp"

namespace vivarium::pg {

namespace {

constexpr std::size_t head_bytes = 5;
constexpr std::size_t most_columns = 1'664; // PostgreSQL's own bound.
constexpr std::size_t most_text = 8'192;
constexpr std::uint32_t version = 3u << 16;
constexpr std::uint32_t ssl_request = 80'877'103;
constexpr std::uint32_t cancel_request = 80'877'102;

void append_two(std::string& out, std::size_t value) {
  out += static_cast<char>(value >> 8 & 0xff);
  out += static_cast<char>(value & 0xff);
}

void append_four(std::string& out, std::uint64_t value) {
  append_two(out, value >> 16 & 0xffff);
  append_two(out, value & 0xffff);
}

void append_text(std::string& out, std::string_view text) {
  out += text;
  out += '\0';
}

/// Begins a message and writes its length when it goes.
class framed {
public:
  framed(std::string& out, char type) : out_{out} {
    if (type != 0)
      out_ += type;
    start_ = out_.size();
    append_four(out_, 0);
  }
  framed(const framed&) = delete;
  framed& operator=(const framed&) = delete;
  ~framed() {
    auto size = out_.size() - start_;
    for (std::size_t i = 0; i < 4; ++i)
      out_[start_ + i] = static_cast<char>(size >> (24 - 8 * i) & 0xff);
  }

private:
  std::string& out_;
  std::size_t start_;
};

} // namespace

void append_ssl_request(std::string& out) {
  framed one{out, 0};
  append_four(out, ssl_request);
}

void append_startup(std::string& out,
                    const std::vector<std::pair<std::string, std::string>>& settings) {
  framed one{out, 0};
  append_four(out, version);
  for (const auto& [name, value] : settings) {
    append_text(out, name);
    append_text(out, value);
  }
  out += '\0';
}

void append_password(std::string& out, std::string_view text) {
  framed one{out, 'p'};
  append_text(out, text);
}

void append_sasl_initial(std::string& out, std::string_view mechanism, std::string_view data) {
  framed one{out, 'p'};
  append_text(out, mechanism);
  append_four(out, data.size());
  out += data;
}

void append_sasl(std::string& out, std::string_view data) {
  framed one{out, 'p'};
  out += data;
}

void append_query(std::string& out, const statement& what, std::uint32_t most_rows) {
  {
    framed parse{out, 'P'};
    append_text(out, {});
    append_text(out, what.text);
    append_two(out, what.parameters.size());
    for (const auto& one : what.parameters)
      append_four(out, one.type);
  }
  {
    framed bind{out, 'B'};
    append_text(out, {});
    append_text(out, {});
    append_two(out, 0); // All parameters as text,
    append_two(out, what.parameters.size());
    for (const auto& one : what.parameters) {
      append_four(out, one.text ? one.text->size() : 0xffff'ffff);
      if (one.text)
        out += *one.text;
    }
    append_two(out, 0); // and all results.
  }
  {
    framed describe{out, 'D'};
    out += 'P';
    append_text(out, {});
  }
  {
    framed execute{out, 'E'};
    append_text(out, {});
    append_four(out, most_rows);
  }
  framed sync{out, 'S'};
}

void append_simple_query(std::string& out, std::string_view text) {
  framed one{out, 'Q'};
  append_text(out, text);
}

void append_cancel(std::string& out, std::uint32_t process, std::uint32_t secret) {
  framed one{out, 0};
  append_four(out, cancel_request);
  append_four(out, process);
  append_four(out, secret);
}

void append_terminate(std::string& out) {
  framed one{out, 'X'};
}

result<std::optional<std::size_t>> message_size(std::string_view buffer, std::size_t most) {
  if (buffer.size() < head_bytes)
    return std::optional<std::size_t>{};
  std::size_t size = *body_reader{buffer.substr(1)}.four_bytes();
  bool known =
      std::string_view{"RKSZENTD123nsCIAVGHWdcvt"}.find(buffer[0]) != std::string_view::npos;
  if (!known || size < 4)
    return error{errc::malformed, "the server does not speak PostgreSQL's protocol"};
  if (size > most)
    return error{errc::too_large, "the result is larger than " + std::to_string(most) + " bytes"};
  return std::optional{size + 1};
}

message open_message(std::string_view whole) noexcept {
  return {whole[0], whole.substr(head_bytes)};
}

std::optional<std::uint16_t> body_reader::two_bytes() noexcept {
  auto raw = bytes(2);
  if (!raw)
    return std::nullopt;
  auto at = [&](std::size_t i) {
    return static_cast<unsigned>(static_cast<unsigned char>((*raw)[i]));
  };
  return static_cast<std::uint16_t>(at(0) << 8 | at(1));
}

std::optional<std::uint32_t> body_reader::four_bytes() noexcept {
  auto high = two_bytes();
  auto low = two_bytes();
  if (!high || !low)
    return std::nullopt;
  return static_cast<std::uint32_t>(*high) << 16 | *low;
}

std::optional<std::string_view> body_reader::text() noexcept {
  auto end = rest_.find('\0');
  if (end == std::string_view::npos)
    return std::nullopt;
  auto out = rest_.substr(0, end);
  rest_.remove_prefix(end + 1);
  return out;
}

std::optional<std::string_view> body_reader::bytes(std::size_t count) noexcept {
  if (rest_.size() < count)
    return std::nullopt;
  auto out = rest_.substr(0, count);
  rest_.remove_prefix(count);
  return out;
}

result<std::vector<column>> read_columns(std::string_view body) {
  body_reader in{body};
  auto count = in.two_bytes();
  error wrong{errc::malformed, "the server describes columns as nobody does"};
  if (!count || *count > most_columns)
    return wrong;
  std::vector<column> out;
  for (std::size_t i = 0; i < *count; ++i) {
    auto name = in.text();
    auto table = in.bytes(6); // And the number of the column in it.
    auto type = in.four_bytes();
    auto more = in.bytes(8); // Size, modifier, format.
    if (!name || !table || !type || !more)
      return wrong;
    column one{{}, *type};
    bridge::append_utf8_lossy(one.name, name->substr(0, most_text));
    out.push_back(std::move(one));
  }
  return out;
}

server_error read_error(std::string_view body) {
  server_error out;
  body_reader in{body};
  for (auto kind = in.bytes(1); kind && (*kind)[0] != '\0'; kind = in.bytes(1)) {
    auto text = in.text();
    if (!text)
      break;
    auto take = [&](std::string& into) {
      into.clear();
      bridge::append_utf8_lossy(into, text->substr(0, most_text));
    };
    switch ((*kind)[0]) {
      case 'V': take(out.severity); break;
      case 'C': take(out.code); break;
      case 'M': take(out.message); break;
      case 'D': take(out.detail); break;
      case 'H': take(out.hint); break;
      case 'n': take(out.constraint); break;
      default: break;
    }
  }
  return out;
}

} // namespace vivarium::pg
