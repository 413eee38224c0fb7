// SPDX-License-Identifier: Apache-2.0
#include "daemon/http_parser.hpp"

#include <boost/beast/core/string.hpp>
#include <boost/beast/http/basic_parser.hpp>

#include <algorithm>
#include <optional>
#include <string>

namespace vivarium {

namespace http = boost::beast::http;
namespace beast = boost::beast;

namespace {

using beast::error_code;
using beast::string_view;

http_verb verb_of(http::verb v) noexcept {
  switch (v) {
    case http::verb::get: return http_verb::get;
    case http::verb::head: return http_verb::head;
    case http::verb::post: return http_verb::post;
    case http::verb::options: return http_verb::options;
    default: return http_verb::other;
  }
}

// Beast calls these while it parses; they fill the request in.
class request_parser final : public http::basic_parser<true> {
public:
  request_parser(http_request& request, const http_limits& limits)
      : request_{request}, limits_{limits} {
    eager(true);
    header_limit(static_cast<std::uint32_t>(limits.header_bytes));
    body_limit(boost::none); // Counted here.
  }

  void take_pieces(std::uint64_t most) noexcept { pieces_ = most; }
  /// Whether more is announced than is taken.
  bool too_long() const noexcept { return request_.body_size > most(); }

private:
  void on_request_impl(http::verb verb, string_view name, string_view target, int version,
                       error_code& ec) override {
    request_.verb = verb_of(verb);
    request_.http11 = version >= 11;
    request_.set_target({target.data(), target.size()}, {name.data(), name.size()});
    spend(name.size() + target.size() + std::string_view{"  HTTP/1.1\r\n"}.size(), ec);
  }

  void on_response_impl(int, string_view, int, error_code&) override {}

  void on_field_impl(http::field, string_view name, string_view value, error_code& ec) override {
    if (++fields_ > limits_.headers)
      ec = http::error::header_limit;
    else
      spend(name.size() + value.size() + std::string_view{": \r\n"}.size(), ec);
    // Fields behind a body count, but nobody has looked at them when the head was judged.
    if (!ec && !is_header_done())
      request_.add_header({name.data(), name.size()}, {value.data(), value.size()});
  }

  void on_header_impl(error_code& ec) override {
    spend(std::string_view{"\r\n"}.size(), ec);
    if (ec)
      return;
    // Two framings in one head are how requests are smuggled past a proxy. Beast ignores a coding
    // list that does not end in "chunked"; an ignored one would leave a body in the stream.
    auto coding = request_.header("transfer-encoding");
    if (request_.count("transfer-encoding") > 0
        && (!chunked() || !beast::iequals(string_view{coding.data(), coding.size()}, "chunked")
            || !request_.http11))
      ec = http::error::bad_transfer_encoding;
    else if (request_.count("content-length") > 1
             || request_.header("content-length").find_first_not_of("0123456789")
                    != std::string_view::npos)
      ec = http::error::bad_content_length;
    // Not judged here: how long a body may be is known when somebody has looked at the head.
    request_.body_size = content_length().value_or(0);
    request_.keep_alive = keep_alive();
    request_.upgrade = upgrade();
    auto expect = request_.header("expect");
    request_.expects_continue =
        beast::iequals(string_view{expect.data(), expect.size()}, "100-continue");
  }

  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}

  std::size_t on_body_impl(string_view bytes, error_code&) override {
    // A length is only a claim: what it may reserve is bounded.
    if (kept() && request_.body.empty())
      request_.body.reserve(
          std::min<std::uint64_t>(pieces_ ? bytes.size() : request_.body_size, 1u << 20));
    if (kept())
      request_.body.append(bytes.data(), bytes.size());
    return bytes.size();
  }

  void on_chunk_header_impl(std::uint64_t, string_view extensions, error_code& ec) override {
    if (extensions.size() > 256)
      ec = http::error::bad_chunk_extension;
  }

  std::size_t on_chunk_body_impl(std::uint64_t, string_view bytes, error_code& ec) override {
    grow(bytes.size(), ec);
    if (kept())
      request_.body.append(bytes.data(), bytes.size());
    else
      std::string{}.swap(request_.body);
    return bytes.size();
  }

  void on_finish_impl(error_code&) override {}

  bool kept() const noexcept { return pieces_ || request_.body_size <= limits_.body_bytes; }

  std::uint64_t most() const noexcept {
    return pieces_ ? *pieces_ : limits_.body_bytes * body_drained_at_most;
  }

  void grow(std::uint64_t n, error_code& ec) {
    if (n > most() || request_.body_size > most() - n)
      ec = http::error::body_limit;
    else
      request_.body_size += n;
  }

  void spend(std::size_t n, error_code& ec) {
    spent_ += n;
    if (spent_ > limits_.header_bytes)
      ec = http::error::header_limit;
  }

  http_request& request_;
  const http_limits& limits_;
  std::size_t fields_ = 0;
  std::size_t spent_ = 0;
  std::optional<std::uint64_t> pieces_; // how long the body may be when it is taken in pieces
};

} // namespace

struct http_parser::impl {
  explicit impl(http_limits l) : limits{l} { parser.emplace(request, limits); }

  http_limits limits;
  http_request request;
  std::optional<request_parser> parser;
  bool told_head = false;
  bool began = false;
  int status = 0;
  std::string reason;

  progress refuse(error_code why) {
    bool head = why == http::error::header_limit;
    bool body = why == http::error::body_limit;
    status = head ? 431 : body ? 413 : 400;
    reason = head   ? "the request's head is too large"
             : body ? "the request's body is far too large (server.body_bytes)"
                    : "not a valid HTTP request: " + why.message();
    return progress::refused;
  }
};

http_parser::http_parser(http_limits limits) : impl_{std::make_unique<impl>(limits)} {}
http_parser::http_parser(http_parser&&) noexcept = default;
http_parser& http_parser::operator=(http_parser&&) noexcept = default;
http_parser::~http_parser() = default;

http_parser::progress http_parser::feed(std::string_view bytes, std::size_t& consumed) {
  consumed = 0;
  auto& parser = *impl_->parser;
  error_code ec;
  if (impl_->told_head && parser.too_long())
    return impl_->refuse(http::error::body_limit);
  while (consumed < bytes.size() && !parser.is_done()) {
    impl_->began = true;
    // One step at a time until the head is complete, so that it can be judged before its body.
    parser.eager(impl_->told_head);
    auto n = parser.put({bytes.data() + consumed, bytes.size() - consumed}, ec);
    consumed += n;
    if (ec == http::error::need_more)
      ec = {};
    if (ec)
      return impl_->refuse(ec);
    if (parser.is_header_done() && !parser.is_done() && !impl_->told_head) {
      impl_->told_head = true;
      return progress::head;
    }
    if (n == 0)
      break;
  }
  if (parser.is_done())
    return progress::complete;
  // What Beast leaves unconsumed is an incomplete line; an endless one is an attack.
  if (bytes.size() - consumed > impl_->limits.header_bytes + 1024) {
    impl_->status = 431;
    impl_->reason = "a line of the request is too long";
    return progress::refused;
  }
  return progress::need_more;
}

http_request& http_parser::request() noexcept {
  return impl_->request;
}
const http_request& http_parser::request() const noexcept {
  return impl_->request;
}
int http_parser::status() const noexcept {
  return impl_->status;
}
std::string_view http_parser::reason() const noexcept {
  return impl_->reason;
}
bool http_parser::begun() const noexcept {
  return impl_->began;
}
bool http_parser::head_done() const noexcept {
  return impl_->parser->is_header_done();
}

bool http_parser::complete() const noexcept {
  return impl_->parser->is_done();
}

std::size_t http_parser::missing() const noexcept {
  if (!head_done() || impl_->parser->is_done())
    return 0;
  return static_cast<std::size_t>(impl_->parser->content_length_remaining().value_or(0));
}

void http_parser::take_pieces(std::uint64_t most) noexcept {
  impl_->parser->take_pieces(most);
}

void http_parser::restart() {
  impl_->request.clear();
  impl_->parser.emplace(impl_->request, impl_->limits);
  impl_->told_head = impl_->began = false;
  impl_->status = 0;
  impl_->reason.clear();
}

} // namespace vivarium
