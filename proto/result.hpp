// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/error.hpp"

#include <utility>
#include <variant>

namespace vivarium {

/// A value or the error that prevented it. Errors that are expected travel as values; test with
/// `if (!r)`, read with `*r` and `r.why()`. Reading the side that is absent is a programming error.
template <class T>
class [[nodiscard]] result {
public:
  result(T value) : content_{std::in_place_index<0>, std::move(value)} {}
  result(error why) : content_{std::in_place_index<1>, std::move(why)} {}

  explicit operator bool() const noexcept { return content_.index() == 0; }

  T& operator*() & noexcept { return *std::get_if<0>(&content_); }
  const T& operator*() const& noexcept { return *std::get_if<0>(&content_); }
  T&& operator*() && noexcept { return std::move(*std::get_if<0>(&content_)); }
  T* operator->() noexcept { return std::get_if<0>(&content_); }
  const T* operator->() const noexcept { return std::get_if<0>(&content_); }

  const error& why() const& noexcept { return *std::get_if<1>(&content_); }
  error&& why() && noexcept { return std::move(*std::get_if<1>(&content_)); }

private:
  std::variant<T, error> content_;
};

/// The value of an operation that only succeeds or fails.
struct done {};
using status = result<done>;

} // namespace vivarium
