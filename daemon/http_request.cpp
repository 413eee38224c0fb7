// SPDX-License-Identifier: Apache-2.0
#include "daemon/http_request.hpp"

#include <algorithm>

namespace vivarium {

std::string_view name_of(http_verb verb) noexcept {
  switch (verb) {
    case http_verb::get: return "GET";
    case http_verb::head: return "HEAD";
    case http_verb::post: return "POST";
    case http_verb::options: return "OPTIONS";
    case http_verb::other: return "other";
  }
  return "other";
}

std::string_view http_request::method() const noexcept {
  return std::string_view{text_}.substr(target_size_, method_size_);
}

std::string_view http_request::target() const noexcept {
  return std::string_view{text_}.substr(0, target_size_);
}

std::string_view http_request::path() const noexcept {
  return target().substr(0, target().find('?'));
}

bool http_request::has_query() const noexcept {
  return target().find('?') != std::string_view::npos;
}

std::string_view http_request::query() const noexcept {
  auto mark = target().find('?');
  return mark == std::string_view::npos ? std::string_view{} : target().substr(mark + 1);
}

std::string_view http_request::header(std::string_view name) const noexcept {
  for (const auto& e : headers_)
    if (e.name_size == name.size() && name_of_entry(e) == name)
      return std::string_view{text_}.substr(e.value, e.value_size);
  return {};
}

std::size_t http_request::count(std::string_view name) const noexcept {
  return static_cast<std::size_t>(std::count_if(
      headers_.begin(), headers_.end(), [&](const entry& e) { return name_of_entry(e) == name; }));
}

void http_request::set_target(std::string_view target, std::string_view method) {
  text_.assign(target);
  text_ += method;
  target_size_ = static_cast<std::uint32_t>(target.size());
  method_size_ = static_cast<std::uint32_t>(method.size());
}

void http_request::add_header(std::string_view name, std::string_view value) {
  entry e{};
  e.name = static_cast<std::uint32_t>(text_.size());
  e.name_size = static_cast<std::uint32_t>(name.size());
  for (char c : name)
    text_ += c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  e.value = static_cast<std::uint32_t>(text_.size());
  e.value_size = static_cast<std::uint32_t>(value.size());
  text_ += value;
  headers_.push_back(e);
}

void http_request::clear() {
  constexpr std::size_t keep = 16u << 10;
  verb = http_verb::other;
  http11 = keep_alive = true;
  upgrade = expects_continue = false;
  if (body.capacity() > keep)
    std::string{}.swap(body);
  body.clear();
  body_size = 0;
  text_.clear();
  target_size_ = method_size_ = 0;
  headers_.clear();
}

} // namespace vivarium
