// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace bench {

/// A Connect client on one kept-alive connection: one request at a time, unary calls only.
class http_client {
public:
  /// Owns `fd`. `json` picks the codec of every call.
  http_client(int fd, bool json);
  http_client(const http_client&) = delete;
  http_client& operator=(const http_client&) = delete;
  ~http_client();

  /// Posts `body` to `method`, e.g. "ExecutionService/Eval", and returns the body of the answer,
  /// valid until the next call. An answer other than 200 ends the program.
  std::string_view call(std::string_view method, std::string_view body);

private:
  int fd_;
  bool json_;
  std::string out_;
  std::string in_;
};

} // namespace bench
