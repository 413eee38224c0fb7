// SPDX-License-Identifier: Apache-2.0
#include "daemon/rpc_calls.hpp"
#include "proto/ids.hpp"

#include <utility>

namespace vivarium::rpc {

namespace {

/// Receive: a mailbox that is read as far as the client takes what is in it. It holds no messages
/// itself.
class receive_call final : public basic_call, public std::enable_shared_from_this<receive_call> {
public:
  using basic_call::basic_call;

  void begin(const context& with, const question& asked) {
    auto what = wire::decode_receive(asked.request, asked.bytes);
    if (!what) {
      refuse(std::move(what).why());
      return;
    }
    format_ = what->format;
    id_ = make_id(id_kind::mailbox);
    auto box = with.core.open_mailbox(asked.tenant, {id_, what->name}, [weak = weak_from_this()] {
      if (auto self = weak.lock())
        self->tell_ready();
    });
    if (!box)
      refuse(std::move(box).why());
    else
      box_ = *std::move(box);
  }

  std::optional<result<piece>> next(std::uint64_t credit) override {
    if (!box_ || credit == 0)
      return std::nullopt;
    if (!std::exchange(greeted_, true))
      return piece{wire::encode_receiving(response(), id_), 0};
    auto what = box_->take();
    if (!what)
      return std::nullopt;
    auto body = wire::encode_message(response(), format_, *what);
    if (!body)
      return std::move(body).why();
    return piece{*std::move(body)};
  }

  void abandon() override {
    basic_call::abandon();
    box_.reset();
  }

  void give_up() override {
    box_.reset();
    basic_call::give_up();
  }

private:
  std::string id_;
  wire::result_format format_ = wire::result_format::unspecified;
  mailbox_ptr box_;
  bool greeted_ = false;
};

} // namespace

std::shared_ptr<basic_call> begin_receive(const context& with, const question& asked,
                                          std::shared_ptr<asker> who, std::uint64_t tag) {
  auto made = std::make_shared<receive_call>(std::move(who), tag, asked.response);
  made->begin(with, asked);
  return made;
}

} // namespace vivarium::rpc
