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
    auto decode = [](const question& from) {
      auto by_method = from.what == method::call ? wire::decode_call : wire::decode_eval;
      return by_method(from.request, from.bytes, from.defaults);
    };
    read(shared_from_this(), aside(), asked, decode,
         [this](result<submission> what, const question& from) {
           if (what)
             if (auto ok = rpc::settle(*what, from); !ok)
               what = std::move(ok).why();
           submit(std::move(what));
         });
  }

private:
  void settle(const execution_ptr& source) override {
    answer_with(shared_from_this(), aside(), size_of(*source),
                [as = response(), source] { return wire::encode_eval(as, *source); });
  }
};

} // namespace

std::shared_ptr<basic_call> begin_eval(const context& with, const question& asked,
                                       std::shared_ptr<asker> who, std::uint64_t tag) {
  auto made = std::make_shared<eval_call>(with, asked, std::move(who), tag);
  made->begin(asked);
  return made;
}

} // namespace vivarium::rpc
