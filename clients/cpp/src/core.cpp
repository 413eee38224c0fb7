// SPDX-License-Identifier: Apache-2.0
#include "clients/cpp/src/core.hpp"

#include "clients/cpp/src/hosting.hpp"
#include "clients/cpp/src/wire.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <future>
#include <limits>

namespace vivarium {
inline namespace client_v1 {
namespace detail {

namespace {

// Handles that die in a burst are released by one request.
constexpr std::chrono::milliseconds release_pause{2};
// So many are released at once even if an answer on its way might bring one of them again: a
// session that is never idle must not keep everything.
constexpr std::size_t max_doomed = 10'000;
// The daemon takes 100,000.
constexpr std::size_t max_release = 100'000;

bool is_session_id(std::string_view text) {
  return text.starts_with("ses_");
}

/// It goes into a header: what does not look like one at all shall not get there. The daemon
/// decides about the rest.
std::string presentable(std::string traceparent) {
  bool plain = traceparent.size() <= 512
               && traceparent.find_first_not_of("0123456789abcdef-") == std::string::npos;
  return plain ? std::move(traceparent) : std::string{};
}

link_options options_of(std::string_view url, const connect_options& how) {
  return {choose_address(url),
          how.api_key.empty() ? variable_of_environment("VIVARIUM_API_KEY") : how.api_key,
          how.ca_file,
          presentable(how.traceparent.empty() ? variable_of_environment("TRACEPARENT")
                                              : how.traceparent),
          how.timeout,
          how.idle_timeout,
          how.max_message};
}

/// The session that a frame names, as far as refs are concerned.
std::string session_of(const v1::ClientFrame& frame) {
  using v1::ClientFrame;
  switch (frame.body_case()) {
    case ClientFrame::kEval: return frame.eval().session();
    case ClientFrame::kCall: return frame.call().session();
    case ClientFrame::kStream:
      return frame.stream().has_eval() ? frame.stream().eval().session()
                                       : frame.stream().call().session();
    default: return {};
  }
}

/// Whether the answer may bring refs.
bool brings_refs(const v1::ClientFrame& frame) {
  using v1::ClientFrame;
  switch (frame.body_case()) {
    case ClientFrame::kEval:
    case ClientFrame::kCall:
    case ClientFrame::kStream:
    case ClientFrame::kBatch:
    case ClientFrame::kWait:
    case ClientFrame::kFollow: return true;
    default: return false;
  }
}

} // namespace

hold::hold(std::shared_ptr<core> on, std::string session)
    : core_{std::move(on)}, session_{std::move(session)} {
  // A name, or a session that is not known: it may be any.
  if (!is_session_id(session_))
    session_.clear();
  const std::lock_guard lock{core_->refs_mutex_};
  ++core_->sessions_[session_].under_way;
}

hold& hold::operator=(hold&& other) noexcept {
  release();
  core_ = std::move(other.core_);
  session_ = std::move(other.session_);
  return *this;
}

void hold::release() noexcept {
  auto on = std::exchange(core_, nullptr);
  if (!on)
    return;
  bool waits = false;
  {
    const std::lock_guard lock{on->refs_mutex_};
    auto found = on->sessions_.find(session_);
    if (found == on->sessions_.end())
      return;
    --found->second.under_way;
    if (found->second.under_way == 0 && found->second.doomed.empty())
      on->sessions_.erase(found);
    for (const auto& [id, of] : on->sessions_)
      if (!of.doomed.empty() && (session_.empty() || id == session_))
        waits = true;
  }
  if (waits)
    on->flush_soon();
}

ref_state::~ref_state() {
  if (auto on = from.lock())
    on->release(*this);
}

std::shared_ptr<core> need(std::shared_ptr<core> on) {
  if (!on)
    throw connection_error{"there is no connection: the client is gone"};
  return on;
}

hold hold_for(const std::shared_ptr<core>& on, const v1::ClientFrame& frame) {
  return brings_refs(frame) ? hold{on, session_of(frame)} : hold{};
}

core::core(const connect_options& how)
    : functions_{std::make_unique<host_core>(*this, how.host_threads)} {
  if (how.context == nullptr)
    own_ = std::make_shared<boost::asio::io_context>(1);
}

void core::connect(std::string_view url, const connect_options& how,
                   std::function<void(std::exception_ptr, std::shared_ptr<core>)> then) {
  auto options = options_of(url, how);
  std::shared_ptr<core> made{new core{how}};
  auto& context = how.context != nullptr ? *how.context : *made->own_;
  // The thread is there before anything can call back, and ends when the link has.
  auto work = boost::asio::make_work_guard(context);
  if (made->own_) {
    made->thread_ = std::thread{[context = made->own_, raw = made.get()] {
      raw->reader_ = std::this_thread::get_id();
      context->run();
    }};
  }
  link_events events{[weak = std::weak_ptr{made}](std::string_view bytes) {
                       if (auto self = weak.lock())
                         self->on_message(bytes);
                     },
                     [weak = std::weak_ptr{made}](const std::string& why) {
                       if (auto self = weak.lock())
                         self->on_closed(why);
                     }};
  open_link(context, std::move(options), std::move(events),
            [made, then = std::move(then)](opened out) mutable {
              // No reference stays here: the last one to go is to wait for this thread.
              auto given = std::move(made);
              if (out.open) {
                given->link_ = std::move(out.open);
                given->request_id_ = std::move(out.request_id);
                return then(nullptr, std::move(given));
              }
              given->broken_ = true;
              given->why_closed_ = out.why;
              then(error_of_refusal(out.answer, out.why, out.request_id), std::move(given));
            });
}

core::~core() {
  if (!thread_.joinable())
    return;
  // The last reference may go on the link's own thread, which cannot wait for itself.
  if (thread_.get_id() == std::this_thread::get_id())
    thread_.detach();
  else
    thread_.join();
}

std::uint64_t core::submit(v1::ClientFrame& frame, handler on_answer) {
  const bool streams = frame.has_follow() || frame.has_stream() || frame.has_serve()
                       || frame.has_receive() || frame.has_build_environment()
                       || frame.has_read_file() || frame.has_handle_stream();
  std::string bytes;
  std::uint64_t id = 0;
  std::string gone;
  {
    const std::lock_guard lock{mutex_};
    if (broken_ || closing_) {
      gone = why_closed_.empty() ? "the client was closed" : why_closed_;
    } else {
      id = ++last_id_;
      entries_.emplace(id, entry{on_answer, streams});
    }
  }
  if (id == 0) {
    on_answer(std::make_exception_ptr(connection_error{gone}), nullptr);
    return 0;
  }
  frame.set_id(id);
  send(frame);
  return id;
}

void core::send(const v1::ClientFrame& frame) {
  link_->send(frame.SerializeAsString());
}

std::shared_ptr<reply> core::exchange(v1::ClientFrame& frame) {
  if (is_reader())
    throw std::logic_error{"vivarium: a call that blocks was made on the connection's own thread"};
  auto out = std::make_shared<reply>();
  out->from = shared_from_this();
  out->held = hold_for(out->from, frame);
  std::promise<void> promise;
  auto answered = promise.get_future();
  submit(frame, [&out, &promise](std::exception_ptr why, v1::ServerFrame* answer) {
    if (why)
      return promise.set_exception(std::move(why));
    out->frame.Swap(answer);
    promise.set_value();
  });
  answered.get();
  check_answer(out->frame);
  return out;
}

void core::on_message(std::string_view bytes) {
  v1::ServerFrame frame;
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max())
      || !frame.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    link_->close();
    return on_closed("the daemon sent what is not understood");
  }
  if (frame.has_draining()) {
    draining_ = true;
    return;
  }
  handler tell;
  {
    const std::lock_guard lock{mutex_};
    auto found = entries_.find(frame.id());
    if (found == entries_.end())
      return;
    if (found->second.streams && !frame.has_end() && !frame.has_error()) {
      tell = found->second.tell;
    } else {
      tell = std::move(found->second.tell);
      entries_.erase(found);
    }
  }
  if (frame.request_id().empty() && !request_id_.empty())
    frame.set_request_id(request_id_ + "." + std::to_string(frame.id()));
  tell(nullptr, &frame);
}

void core::on_closed(const std::string& why) {
  std::unordered_map<std::uint64_t, entry> waiting;
  {
    const std::lock_guard lock{mutex_};
    if (broken_.exchange(true))
      return;
    why_closed_ = closing_ ? "the client was closed" : why;
    waiting.swap(entries_);
  }
  for (auto& [id, each] : waiting)
    each.tell(std::make_exception_ptr(
                  connection_error{"the connection broke before the answer came: " + why_closed_}),
              nullptr);
}

void core::abandon(std::uint64_t id) noexcept {
  try {
    {
      const std::lock_guard lock{mutex_};
      if (broken_ || !entries_.contains(id))
        return;
    }
    v1::ClientFrame frame;
    frame.set_id(id);
    frame.mutable_abandon();
    send(frame);
  } catch (...) { // No memory to say so: the daemon goes on, as if this had come too late.
  }
}

void core::more_credit(std::uint64_t id, std::uint32_t items) {
  v1::ClientFrame frame;
  frame.set_id(id);
  frame.set_more_credit(items);
  tell(frame);
}

void core::close() noexcept {
  try {
    flush(true);
    {
      const std::lock_guard lock{mutex_};
      closing_ = true;
    }
    if (link_)
      link_->close();
  } catch (...) { // The daemon notices when the process ends.
  }
  const bool own = thread_.joinable();
  if (own && !is_reader())
    thread_.join();
  if (functions_->pool().started()) {
    // Functions that wait for an answer would wait for this thread, which waits for them.
    if (!own || is_reader())
      on_closed("the client was closed");
    functions_->pool().stop();
  }
}

void core::tell(const v1::ClientFrame& frame) {
  if (!broken_)
    send(frame);
}

std::shared_ptr<ref_state> core::adopt(const std::string& session, const v1::Ref& what) {
  std::shared_ptr<ref_state> made;
  const std::lock_guard lock{refs_mutex_};
  auto& known = refs_[what.id()];
  if (auto alive = known.lock())
    return alive;
  if (auto found = sessions_.find(session); found != sessions_.end())
    found->second.doomed.erase(what.id());
  made = std::make_shared<ref_state>();
  made->from = weak_from_this();
  made->session = session;
  made->id = what.id();
  made->type_name = what.type_name();
  made->repr = what.repr();
  if (what.has_length())
    made->length = what.length();
  known = made;
  return made;
}

void core::release(const ref_state& what) noexcept {
  try {
    {
      const std::lock_guard lock{refs_mutex_};
      auto known = refs_.find(what.id);
      // Another handle of the same object may have been made meanwhile.
      if (known == refs_.end() || !known->second.expired())
        return;
      refs_.erase(known);
      if (broken_ || !what.owned || what.session.empty())
        return;
      sessions_[what.session].doomed.insert(what.id);
    }
    flush_soon();
  } catch (...) { // No memory: the object lives until its session ends.
  }
}

void core::flush_soon() noexcept {
  try {
    {
      const std::lock_guard lock{refs_mutex_};
      if (flushing_ || broken_)
        return;
      flushing_ = true;
    }
    link_->after(release_pause, [weak = weak_from_this()] {
      if (auto self = weak.lock())
        self->flush(false);
    });
  } catch (...) { // The next release tries again.
  }
}

void core::flush(bool all) noexcept {
  try {
    // Sent under the lock: a request that begins now and may bring one of these objects again must
    // come after their release.
    const std::lock_guard lock{refs_mutex_};
    flushing_ = false;
    const bool any_under_way = sessions_.contains("") && sessions_[""].under_way != 0;
    for (auto at = sessions_.begin(); at != sessions_.end();) {
      auto& [session, of] = *at;
      const bool busy = of.under_way != 0 || any_under_way;
      if (!of.doomed.empty() && (all || !busy || of.doomed.size() >= max_doomed)) {
        v1::ClientFrame frame;
        auto* request = frame.mutable_release_refs();
        request->set_session(session);
        while (!of.doomed.empty() && request->refs_size() < static_cast<int>(max_release))
          request->add_refs(std::move(of.doomed.extract(of.doomed.begin()).value()));
        submit(frame, [](std::exception_ptr, v1::ServerFrame*) {});
      }
      const bool spent = of.under_way == 0 && of.doomed.empty();
      at = spent ? sessions_.erase(at) : std::next(at);
    }
  } catch (...) { // No memory: the objects live until their session ends.
  }
}

} // namespace detail
} // namespace client_v1
} // namespace vivarium
