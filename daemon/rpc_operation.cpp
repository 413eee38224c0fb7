// SPDX-License-Identifier: Apache-2.0
#include "daemon/rpc_awaiting.hpp"

#include <utility>

namespace vivarium::rpc {

namespace {

/// A question to a session's interpreter: an execution whose value is made the typed answer, and
/// whose error an error of the protocol.
class operation_call final : public awaiting_call {
public:
  operation_call(const context& with, const question& asked, std::shared_ptr<asker> who,
                 std::uint64_t tag)
      : awaiting_call{with, asked, std::move(who), tag}, what_{asked.what} {}

  void begin(const question& asked) {
    read(shared_from_this(), aside(), asked, decode,
         [this](result<submission> what, const question& from) {
           if (what) {
             what->request_id = from.request_id;
             what->trace = from.trace.child();
             session_ = what->session;
           }
           submit(std::move(what));
         });
  }

private:
  static result<submission> decode(const question& asked) {
    switch (asked.what) {
      case method::release_refs: return wire::decode_release_refs(asked.request, asked.bytes);
      case method::list_variables: return wire::decode_list_variables(asked.request, asked.bytes);
      case method::get_interpreter: return wire::decode_get_interpreter(asked.request, asked.bytes);
      case method::get_memory_stats:
        return wire::decode_get_memory_stats(asked.request, asked.bytes);
      case method::collect_garbage: return wire::decode_collect_garbage(asked.request, asked.bytes);
      default: return wire::decode_set_tracemalloc(asked.request, asked.bytes);
    }
  }

  static result<std::string> encode(method what, wire::codec as, std::string_view value) {
    switch (what) {
      case method::release_refs: return wire::encode_released(as, value);
      case method::list_variables: return wire::encode_variables(as, value);
      case method::get_interpreter: return wire::encode_interpreter(as, value);
      case method::collect_garbage: return wire::encode_collected(as, value);
      default: return wire::encode_tracemalloc(as, value);
    }
  }

  void settle(const execution_ptr& source) override {
    const auto& how = *source->end();
    if (how.outcome != verdict::kind::value)
      refuse(wire::error_of(how));
    else if (what_ == method::get_memory_stats)
      ask_kernel(how.content);
    else
      answer_with(shared_from_this(), aside(), how.content.size(),
                  [what = what_, as = response(), source] {
                    return encode(what, as, source->end()->content);
                  });
  }

  /// The worker's word on its memory goes together with the kernel's.
  void ask_kernel(std::string value) {
    auto self = std::static_pointer_cast<operation_call>(shared_from_this());
    auto take = [self, value = std::move(value)](result<worker_memory> seen) {
      if (seen)
        self->answer(wire::encode_memory_stats(self->response(), value, *seen));
      else
        self->refuse(std::move(seen).why());
    };
    core().memory_of(tenant(), session_, reply<worker_memory>{std::move(take)});
  }

  std::string session_;
  method what_;
};

} // namespace

std::shared_ptr<basic_call> begin_operation(const context& with, const question& asked,
                                            std::shared_ptr<asker> who, std::uint64_t tag) {
  auto made = std::make_shared<operation_call>(with, asked, std::move(who), tag);
  made->begin(asked);
  return made;
}

} // namespace vivarium::rpc
