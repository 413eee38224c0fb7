// SPDX-License-Identifier: Apache-2.0
#include "actors/app_exchange.hpp"

#include "actors/verdicts.hpp"
#include "bridge/value_view.hpp"

#include <algorithm>
#include <utility>

namespace vivarium {

namespace {

using part_kind = app_part::part_kind;

// What a caller is answered when the application could not be asked at all.
app_part refusal_of(const error& why) {
  app_part out{.kind = part_kind::failed};
  switch (why.code) {
    case errc::not_found: out.status = 404; break;
    case errc::too_large: out.status = 413; break;
    case errc::deadline_exceeded: out.status = 504; break;
    case errc::session_lost: out.status = 502; break;
    case errc::busy:
    case errc::limit_exceeded:
    case errc::unavailable: out.status = 503; break;
    default: out.status = 500;
  }
  out.why = why.detail;
  return out;
}

// The same when it was asked and no answer came. What its code raised is not the caller's to know.
std::pair<int, std::string> face_of(const verdict& how) {
  auto text = [&how] { return text_of_error(how.content, 5); };
  switch (static_cast<error_kind>(how.error_kind)) {
    case error_kind::timeout: return {504, text()};
    case error_kind::session_lost: return {502, "the application's session has ended"};
    case error_kind::busy: return {503, text()};
    case error_kind::cancelled: return {503, "the request was cancelled"};
    case error_kind::not_found:
      if (text_of_error(how.content, 12) == "no_app")
        return {404, text()};
      break;
    default: break;
  }
  return {500, {}};
}

} // namespace

app_exchange::app_exchange(ports through, std::function<void()> on_change)
    : through_{std::move(through)}, on_change_{std::move(on_change)} {}

void app_exchange::begin(submission&& what) {
  what.mode = bridge::run_mode::app_request;
  what.form = bridge::value_form::typed;
  what.values = bridge::plain_values;
  what.stream_credit = app_credit;
  through_.submit(std::move(what),
                  reply<execution_ptr>{[self = shared_from_this()](result<execution_ptr> made) {
                    self->submitted(std::move(made));
                  }});
}

void app_exchange::submitted(result<execution_ptr> made) {
  if (!made) {
    refused_ = refusal_of(made.why());
  } else {
    source_ = *std::move(made);
    source_->keep_from(position_);
    for (auto& one : std::exchange(early_, {}))
      through_.feed(source_, std::move(one));
    if (left_)
      return leave();
    if (!source_->end())
      source_->subscribe(shared_from_this());
  }
  if (auto tell = on_change_)
    tell();
}

void app_exchange::on_progress(execution&) {
  if (auto tell = on_change_)
    tell();
}

std::optional<app_part> app_exchange::next() {
  if (over_ || left_)
    return std::nullopt;
  if (refused_) {
    over_ = true;
    return std::exchange(refused_, std::nullopt);
  }
  if (!source_)
    return std::nullopt;
  for (;;) {
    auto first = source_->first_held();
    if (position_ < first)
      go_to(first); // What is no longer held was output.
    if (position_ > source_->last_sequence()) {
      order();
      return std::nullopt;
    }
    const auto& what = source_->log()[static_cast<std::size_t>(position_ - first)];
    if (what.what == event::kind::verdict) {
      if (!source_->end())
        return std::nullopt; // It is being written just now.
      return last();
    }
    if (what.what == event::kind::items && offset_ < what.data.size())
      return item();
    go_to(position_ + 1);
  }
}

std::optional<app_part> app_exchange::item() {
  const auto& what = source_->log()[static_cast<std::size_t>(position_ - source_->first_held())];
  auto rest = std::string_view{what.data}.substr(offset_);
  bridge::field_walk walk{rest};
  (void)walk.next();
  offset_ =
      static_cast<std::size_t>(walk.content().data() + walk.content().size() - what.data.data());
  if (!has_head_) {
    auto head = bridge::read_app_response(walk.content());
    if (!head)
      return fail(502, head.why().detail);
    has_head_ = true;
    return app_part{.kind = part_kind::head, .head = *std::move(head)};
  }
  auto piece = bridge::read_app_piece(walk.content());
  if (!piece || complete_)
    return fail(502, piece ? "the application goes on after the end" : piece.why().detail);
  using kind = bridge::app_piece::piece_kind;
  switch (piece->kind) {
    case kind::body: return app_part{.kind = part_kind::body, .content = piece->content};
    case kind::text: return app_part{.kind = part_kind::text, .content = piece->content};
    case kind::close:
      complete_ = true;
      return app_part{.kind = part_kind::close, .content = piece->content, .code = piece->code};
    case kind::end: break;
  }
  complete_ = over_ = true; // What the application still does, nobody waits for.
  source_->unsubscribe(this);
  source_->keep_from(execution::keep_nothing);
  return app_part{.kind = part_kind::end};
}

app_part app_exchange::last() {
  const auto& how = *source_->end();
  if (how.outcome == verdict::kind::value && !has_head_) {
    auto head = bridge::read_app_response(how.content);
    if (!head)
      return fail(502, head.why().detail);
    has_head_ = over_ = true;
    return {.kind = part_kind::head, .head = *std::move(head), .whole = true};
  }
  if (how.outcome == verdict::kind::error && !complete_) {
    auto [status, why] = face_of(how);
    over_ = true;
    return {.kind = part_kind::failed, .status = status, .why = std::move(why)};
  }
  if (!has_head_)
    return fail(502, "the application gave no response");
  over_ = true;
  return {.kind = part_kind::end};
}

void app_exchange::spoil(const std::string& why) {
  over_ = true;
  source_->malformed = true;
  through_.malformed(source_, why);
  leave();
}

app_part app_exchange::fail(int status, std::string why) {
  spoil(why);
  return {.kind = part_kind::failed, .status = status, .why = std::move(why)};
}

void app_exchange::order() {
  if (source_->end() || source_->rounds_done() < rounds_)
    return;
  ++rounds_;
  through_.pull(source_, app_credit);
}

void app_exchange::go_to(std::uint64_t position) {
  position_ = position;
  offset_ = 0;
  source_->keep_from(position);
}

std::size_t app_exchange::room() const noexcept {
  if (source_ && source_->end())
    return bridge::app_input_window; // Nobody will read it; it may come.
  if (source_ && source_->input_stalled)
    return 0;
  auto under_way = fed_ - (source_ ? source_->input_taken : 0);
  return bridge::app_input_window
         - static_cast<std::size_t>(std::min<std::uint64_t>(under_way, bridge::app_input_window));
}

void app_exchange::feed(app_feed what) {
  if (left_)
    return;
  fed_ += what.weight();
  if (!source_)
    early_.push_back(std::move(what));
  else if (!source_->end())
    through_.feed(source_, std::move(what));
}

void app_exchange::leave() {
  left_ = true;
  on_change_ = nullptr;
  if (!source_)
    return; // `submitted` will see it.
  source_->unsubscribe(this);
  source_->keep_from(execution::keep_nothing);
  source_->client_gone = !complete_;
  if (!source_->end() && !complete_)
    through_.pull(source_, 0);
}

} // namespace vivarium
