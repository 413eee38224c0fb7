// SPDX-License-Identifier: Apache-2.0
#include "daemon/rpc_awaiting.hpp"

#include <utility>

namespace vivarium::rpc {

namespace {

/// Eval and Call: the log of the execution is folded into one answer.
class eval_call final : public awaiting_call {
public:
  using awaiting_call::awaiting_call;

  void begin(const question& asked) {
    auto decode = asked.what == method::call ? wire::decode_call : wire::decode_eval;
    auto what = decode(asked.request, asked.bytes, asked.defaults);
    if (what)
      if (auto ok = rpc::settle(*what, asked); !ok)
        what = std::move(ok).why();
    submit(std::move(what));
  }

private:
  void settle(const execution& source) override { answer(wire::encode_eval(response(), source)); }
};

} // namespace

std::shared_ptr<basic_call> begin_eval(const context& with, const question& asked,
                                       std::shared_ptr<asker> who, std::uint64_t tag) {
  auto made = std::make_shared<eval_call>(with.core, asked, std::move(who), tag);
  made->begin(asked);
  return made;
}

} // namespace vivarium::rpc
