// SPDX-License-Identifier: Apache-2.0
#include "daemon/http_message.hpp"

#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <variant>

namespace vivarium {

namespace {

namespace http = boost::beast::http;
using boost::beast::error_code;

constexpr std::size_t piece_bytes = 64u << 10;
constexpr std::size_t shortest_secret = 4;
constexpr std::size_t most_reason = 300;

char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool same(std::string_view a, std::string_view b) noexcept {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

/// Whether a list such as that of Connection names something.
bool lists(std::string_view list, std::string_view name) {
  while (!list.empty()) {
    auto end = list.find(',');
    auto one = list.substr(0, end);
    list.remove_prefix(end == std::string_view::npos ? list.size() : end + 1);
    auto first = one.find_first_not_of(" \t");
    auto last = one.find_last_not_of(" \t");
    if (first != std::string_view::npos && same(one.substr(first, last - first + 1), name))
      return true;
  }
  return false;
}

/// What is between two neighbours and goes no further.
bool is_hop_by_hop(const http_head& of, std::string_view name) {
  static constexpr std::array<std::string_view, 11> all{"connection",
                                                        "keep-alive",
                                                        "proxy-connection",
                                                        "proxy-authorization",
                                                        "proxy-authenticate",
                                                        "te",
                                                        "trailer",
                                                        "transfer-encoding",
                                                        "upgrade",
                                                        "content-length",
                                                        "expect"};
  if (std::any_of(all.begin(), all.end(), [&](std::string_view one) { return same(one, name); }))
    return true;
  return std::any_of(of.fields.begin(), of.fields.end(), [&](const auto& field) {
    return same(field.first, "connection") && lists(field.second, name);
  });
}

/// What asks some servers to take the request for another than its first line says.
bool overrides(std::string_view name) {
  static constexpr std::array<std::string_view, 5> all{"x-http-method", "x-http-method-override",
                                                       "x-method-override", "x-original-url",
                                                       "x-rewrite-url"};
  return std::any_of(all.begin(), all.end(), [&](std::string_view one) { return same(one, name); });
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ").append(value).append("\r\n");
}

error wrong(std::string_view what) {
  return error{errc::malformed, std::string{what}};
}

} // namespace

std::optional<std::string_view> http_head::field(std::string_view name) const {
  auto found = std::find_if(fields.begin(), fields.end(),
                            [&](const auto& one) { return same(one.first, name); });
  return found == fields.end() ? std::nullopt : std::optional<std::string_view>{found->second};
}

std::size_t http_head::count(std::string_view name) const {
  return static_cast<std::size_t>(std::count_if(
      fields.begin(), fields.end(), [&](const auto& one) { return same(one.first, name); }));
}

struct http_message_reader::impl {
  using request = http::request_parser<http::buffer_body>;
  using response = http::response_parser<http::buffer_body>;
  std::variant<std::monostate, std::unique_ptr<request>, std::unique_ptr<response>> parser;

  template <class Use>
  auto use(Use with) {
    return parser.index() == 1 ? with(*std::get<1>(parser)) : with(*std::get<2>(parser));
  }
};

http_message_reader::http_message_reader(kind what) : impl_{std::make_unique<impl>()} {
  if (what == kind::request)
    impl_->parser = std::make_unique<impl::request>();
  else
    impl_->parser = std::make_unique<impl::response>();
  impl_->use([](auto& p) {
    p.header_limit(static_cast<std::uint32_t>(most_head_bytes));
    p.body_limit(boost::none);
    return 0;
  });
  if (what == kind::response_to_head)
    std::get<2>(impl_->parser)->skip(true);
}

http_message_reader::~http_message_reader() = default;

bool http_message_reader::has_head() const noexcept {
  return head_.whole;
}

bool http_message_reader::done() const noexcept {
  return impl_->use([](auto& p) { return p.is_done(); });
}

status http_message_reader::take(std::string& bytes, std::string& body) {
  if (done() || (bytes.empty() && !has_head()))
    return vivarium::done{};
  error_code why;
  auto before = body.size();
  body.resize(before + piece_bytes);
  auto used = impl_->use([&](auto& p) {
    auto& into = p.get().body();
    into.data = body.data() + before;
    into.size = piece_bytes;
    into.more = true;
    std::size_t all = 0;
    // It stops behind the head, and where the body's room is used up.
    while (!p.is_done() && all < bytes.size()) {
      auto n = p.put(boost::asio::buffer(bytes.data() + all, bytes.size() - all), why);
      all += n;
      if (why || n == 0)
        break;
    }
    return all;
  });
  auto left = impl_->use([](auto& p) { return p.get().body().size; });
  bool head_now = impl_->use([](auto& p) { return p.is_header_done(); });
  body.resize(before + (head_now ? piece_bytes - left : 0));
  bytes.erase(0, used);
  if (why == http::error::need_more || why == http::error::need_buffer)
    why = {};
  // Also what stands between the pieces of a body.
  if (why == http::error::header_limit || (!why && used == 0 && bytes.size() >= most_head_bytes))
    return error{errc::too_large, "the head of the message has more than "
                                      + std::to_string(most_head_bytes) + " bytes"};
  if (why)
    return wrong(why.message());
  if (head_now && !head_.whole)
    return read_head();
  return vivarium::done{};
}

status http_message_reader::end() {
  if (!impl_->use([](auto& p) { return p.got_some(); }))
    return wrong("there is no message");
  error_code why;
  impl_->use([&](auto& p) {
    p.put_eof(why);
    return 0;
  });
  return why ? status{wrong("the message ends in its middle")} : status{vivarium::done{}};
}

status http_message_reader::read_head() {
  impl_->use([&](auto& p) {
    const auto& got = p.get();
    head_.version = got.version();
    if constexpr (std::decay_t<decltype(got)>::is_request::value) {
      head_.method = std::string{got.method_string()};
      head_.target = std::string{got.target()};
    } else {
      head_.status = got.result_int();
      head_.reason = std::string{got.reason()};
    }
    for (const auto& one : got)
      head_.fields.emplace_back(std::string{one.name_string()}, std::string{one.value()});
    head_.chunked = p.chunked();
    if (auto length = p.content_length())
      head_.length = *length;
    head_.keep_alive = p.keep_alive();
    head_.until_end = p.need_eof();
    return 0;
  });
  head_.whole = true;
  return check_framing();
}

// What decides where a message ends must say one thing only.
status http_message_reader::check_framing() {
  if (head_.fields.size() > most_fields)
    return error{errc::too_large,
                 "the message has more than " + std::to_string(most_fields) + " headers"};
  if (head_.version != 10 && head_.version != 11)
    return wrong("only HTTP/1.1 and HTTP/1.0 are spoken here");
  auto encodings = head_.count("transfer-encoding");
  if (encodings > 1 || head_.count("content-length") > 1
      || (encodings == 1
          && (head_.count("content-length") > 0 || head_.version == 10
              || !same(*head_.field("transfer-encoding"), "chunked"))))
    return wrong("how long the message is can be read in more than one way");
  // Beast takes lists of one and the same number, too.
  if (auto length = head_.field("content-length");
      length && length->find_first_not_of("0123456789") != std::string_view::npos)
    return wrong("Content-Length is not a number");
  for (const auto& [name, value] : head_.fields)
    for (char c : value)
      if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f)
        return wrong("a header has control characters");
  return vivarium::done{};
}

std::string check_request(const http_head& what, const http_origin& origin) {
  if (what.count("host") > 1 || (what.version == 11 && what.count("host") == 0))
    return "a request has one Host header";
  if (auto host = what.field("host")) {
    auto port = ":" + std::to_string(origin.port);
    auto name = origin.authority();
    bool with_port = same(*host, name.ends_with(port) ? name : name + port);
    if (!same(*host, name) && !with_port)
      return "the Host header is not that of the server that the connection is for, " + name;
  }
  if (what.count("upgrade") > 0)
    return "protocols other than HTTP/1.1 are not possible here (WebSocket, HTTP/2)";
  if (!what.target.starts_with('/'))
    return "the request is not for a path of this server";
  return {};
}

std::string head_for_server(const http_head& what, const http_origin& origin,
                            const http_rule& rule) {
  std::string out = what.method + " " + what.target + " HTTP/1.1\r\n";
  append_field(out, "Host", origin.authority());
  for (const auto& [name, value] : what.fields) {
    bool ours = std::any_of(rule.headers.begin(), rule.headers.end(),
                            [&](const auto& one) { return same(one.first, name); });
    if (!ours && !same(name, "host") && !overrides(name) && !is_hop_by_hop(what, name))
      append_field(out, name, value);
  }
  for (const auto& [name, value] : rule.headers)
    append_field(out, name, value);
  if (what.chunked)
    append_field(out, "Transfer-Encoding", "chunked");
  else if (what.length)
    append_field(out, "Content-Length", std::to_string(*what.length));
  return out + "\r\n";
}

std::string head_for_guest(const http_head& what, const http_rule& rule, bool chunked, bool close) {
  std::string out = "HTTP/1.1 " + std::to_string(what.status) + " ";
  std::copy_if(what.reason.begin(), what.reason.end(), std::back_inserter(out),
               [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f; });
  out += "\r\n";
  auto tells = [&](std::string_view value) {
    return std::any_of(rule.headers.begin(), rule.headers.end(), [&](const auto& one) {
      return one.second.size() >= shortest_secret
             && value.find(one.second) != std::string_view::npos;
    });
  };
  for (const auto& [name, value] : what.fields)
    if (!is_hop_by_hop(what, name) && !tells(value))
      append_field(out, name, value);
  if (chunked)
    append_field(out, "Transfer-Encoding", "chunked");
  else if (what.length)
    append_field(out, "Content-Length", std::to_string(*what.length));
  if (close)
    append_field(out, "Connection", "close");
  return out + "\r\n";
}

std::string plain_response(unsigned status, std::string_view reason, std::string_view body,
                           bool close, bool with_body) {
  std::string out = "HTTP/1.1 " + std::to_string(status) + " ";
  for (char c : reason.substr(0, most_reason))
    out += c >= 0x20 && c < 0x7f ? c : '?';
  out += "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: "
         + std::to_string(body.size()) + "\r\n";
  if (close)
    append_field(out, "Connection", "close");
  out += "\r\n";
  return with_body ? out.append(body) : out;
}

std::string chunk(std::string_view piece) {
  std::array<char, 20> size{};
  std::snprintf(size.data(), size.size(), "%zx\r\n", piece.size());
  return std::string{size.data()}.append(piece).append("\r\n");
}

} // namespace vivarium
