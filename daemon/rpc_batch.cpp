// SPDX-License-Identifier: Apache-2.0
#include "daemon/rpc_calls.hpp"

#include <algorithm>
#include <deque>
#include <utility>
#include <vector>

namespace vivarium::rpc {

namespace {

// Of one batch at once: it shall fill neither the queue of its session nor the pool.
constexpr std::size_t most_under_way = 64;
// Of its answers together. Later ones are not told; what they did is done.
constexpr std::size_t most_bytes = 64u << 20;

/// Batch: submits its items in order, some at a time, and answers when all have ended. An answer is
/// encoded as soon as it is there, so that nothing but its bytes is kept.
class batch_call final : public basic_call, public std::enable_shared_from_this<batch_call> {
public:
  batch_call(const context& with, const question& asked, std::shared_ptr<asker> who,
             std::uint64_t tag)
      : basic_call{std::move(who), tag, asked.response}, core_{with.core}, aside_{with.aside},
        tenant_{asked.tenant}, request_id_{asked.request_id} {}

  void begin(const question& asked) {
    auto decode = [](const question& from) {
      return wire::decode_batch(from.request, from.bytes, from.defaults);
    };
    read(shared_from_this(), aside_, asked, decode,
         [this](result<std::vector<result<submission>>> items, const question& from) {
           take(std::move(items), from);
         });
  }

  void take(result<std::vector<result<submission>>> items, const question& asked) {
    if (!items) {
      refuse(std::move(items).why());
      return;
    }
    if (items->size() > 1)
      if (auto ok = core_.admit(tenant_, items->size() - 1, request_id_); !ok) {
        refuse(std::move(ok).why());
        return;
      }
    for (auto& item : *items) {
      if (item)
        if (auto ok = settle(*item, asked); !ok)
          item = std::move(ok).why();
      waiting_.push_back(std::move(item));
    }
    results_.resize(waiting_.size());
    runs_.resize(waiting_.size());
    go_on();
  }

  void abandon() override {
    basic_call::abandon();
    waiting_.clear();
    for (auto& run : std::exchange(runs_, {}))
      if (run)
        run->leave();
  }

  void give_up() override {
    given_up_ = true;
    auto self = shared_from_this(); // Cancelling may answer.
    for (std::size_t i = 0; i < runs_.size(); ++i)
      if (auto run = runs_[i])
        run->cancel();
    go_on();
  }

private:
  /// One item on its way.
  class run final : public follower, public std::enable_shared_from_this<run> {
  public:
    run(std::shared_ptr<batch_call> batch, std::size_t place)
        : batch_{std::move(batch)}, place_{place} {}

    void submitted(result<execution_ptr> taken) {
      if (!batch_) {
        if (taken && !(*taken)->end())
          core().abandon(tenant_, *taken);
        return;
      }
      if (!taken) {
        if (auto batch = std::exchange(batch_, nullptr))
          batch->reject(place_, taken.why());
        return;
      }
      running_ = *std::move(taken);
      if (running_->end()) {
        done();
        return;
      }
      running_->subscribe(shared_from_this());
      if (batch_->given_up_)
        cancel();
    }

    void on_progress(execution& source) override {
      if (source.end())
        done();
    }

    void cancel() {
      if (running_ && !running_->end())
        core().cancel(tenant_, running_->id(), reply<bool>{[](const result<bool>&) {}});
    }

    void leave() {
      batch_.reset();
      if (!running_)
        return; // `submitted` will see that nobody waits.
      running_->unsubscribe(this);
      if (!running_->end())
        core().abandon(tenant_, running_);
    }

  private:
    service& core() const noexcept { return core_; }
    void done() {
      if (auto batch = std::exchange(batch_, nullptr))
        batch->item_ended(place_, running_);
    }

    std::shared_ptr<batch_call> batch_;
    service& core_ = batch_->core_;
    std::string tenant_ = batch_->tenant_;
    std::size_t place_;
    execution_ptr running_;
  };

  void go_on() {
    if (going_on_)
      return; // An item that ended at once; the loop below goes on with the next.
    going_on_ = true;
    auto self = shared_from_this();
    while (!waiting_.empty() && under_way_ < most_under_way) {
      auto item = std::move(waiting_.front());
      waiting_.pop_front();
      auto place = next_++;
      ++under_way_;
      if (!item)
        reject(place, item.why());
      else if (given_up_)
        reject(place, error{errc::cancelled, "the client gave the batch up"});
      else
        submit(place, *std::move(item));
    }
    going_on_ = false;
    if (!waiting_.empty() || under_way_ != 0)
      return;
    auto results = std::make_shared<std::vector<std::string>>(std::exchange(results_, {}));
    answer_with(self, aside_, response() == wire::codec::json ? bytes_ : 0,
                [as = response(), results] { return wire::encode_batch(as, *results); });
  }

  void submit(std::size_t place, submission what) {
    auto made = std::make_shared<run>(shared_from_this(), place);
    runs_[place] = made;
    core_.submit(tenant_, std::move(what),
                 reply<execution_ptr>{
                     [made](result<execution_ptr> taken) { made->submitted(std::move(taken)); }});
  }

  void reject(std::size_t place, const error& why) {
    keep(place, wire::encode_batch_result(response(), why, request_id_));
  }

  void item_ended(std::size_t place, const execution_ptr& source) {
    if (size_of(*source) < long_json) {
      keep(place, wire::encode_batch_result(response(), *source));
      return;
    }
    auto out = std::make_shared<std::optional<result<std::string>>>();
    aside_.run(
        [out, as = response(), source] { out->emplace(wire::encode_batch_result(as, *source)); },
        [self = shared_from_this(), place, out] { self->keep(place, *std::move(*out)); });
  }

  /// Keeps the answer to an item, which is then over.
  void keep(std::size_t place, result<std::string> encoded) {
    if (over())
      return; // It was abandoned: nobody is waited for any more.
    if (encoded && bytes_ + encoded->size() > most_bytes)
      encoded = error{errc::too_large, "the results of the batch are over 64 MiB together"};
    if (!encoded)
      encoded = wire::encode_batch_result(response(), encoded.why(), request_id_);
    if (encoded) {
      bytes_ += encoded->size();
      results_[place] = *std::move(encoded);
    }
    runs_[place].reset();
    --under_way_;
    go_on();
  }

  service& core_;
  side_thread& aside_;
  std::string tenant_;
  std::string request_id_;
  std::deque<result<submission>> waiting_;
  std::vector<std::shared_ptr<run>> runs_;
  std::vector<std::string> results_;
  std::size_t next_ = 0;
  std::size_t under_way_ = 0;
  std::size_t bytes_ = 0;
  bool going_on_ = false;
  bool given_up_ = false;
};

} // namespace

std::shared_ptr<basic_call> begin_batch(const context& with, const question& asked,
                                        std::shared_ptr<asker> who, std::uint64_t tag) {
  auto made = std::make_shared<batch_call>(with, asked, std::move(who), tag);
  made->begin(asked);
  return made;
}

} // namespace vivarium::rpc
