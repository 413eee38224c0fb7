// SPDX-License-Identifier: Apache-2.0
// A frame of a server: it becomes what the client's types can say, or an exception of the client's.
#include "clients/cpp/src/link.hpp"
#include "clients/cpp/src/wire.hpp"

#include <google/protobuf/stubs/logging.h>
#include <vivarium/error.hpp>

#include <cstdint>
#include <cstdlib>
#include <sstream>

// There is no connection here.
namespace vivarium {
inline namespace client_v1 {
namespace detail {

void open_link(boost::asio::io_context&, link_options, link_events, std::function<void(opened)>) {
  std::abort();
}
fetched fetch(const link_options&, const std::string&) {
  std::abort();
}

} // namespace detail
} // namespace client_v1
} // namespace vivarium

namespace {

using namespace vivarium;
namespace v1 = ::vivarium::v1;

void read_event(v1::Event& what, const detail::origin& at) {
  (void)detail::decode(what, at);
}

void read(v1::ServerFrame& frame) {
  const detail::origin at{nullptr, "ses_a"};
  using v1::ServerFrame;
  switch (frame.body_case()) {
    case ServerFrame::kError: detail::check_answer(frame); break;
    case ServerFrame::kEval:
      detail::decode(*frame.mutable_eval()->mutable_verdict(), at).check();
      break;
    case ServerFrame::kCall:
      (void)detail::decode(*frame.mutable_call()->mutable_verdict(), at);
      break;
    case ServerFrame::kWait:
      (void)detail::decode(*frame.mutable_wait()->mutable_verdict(), at);
      break;
    case ServerFrame::kFollow: read_event(*frame.mutable_follow()->mutable_event(), at); break;
    case ServerFrame::kStream:
      for (auto& each : *frame.mutable_stream()->mutable_items())
        (void)detail::decode(each, at);
      break;
    case ServerFrame::kCreateSession: (void)detail::decode(frame.create_session().session()); break;
    case ServerFrame::kListSessions:
      for (const auto& each : frame.list_sessions().sessions())
        (void)detail::decode(each);
      break;
    default: break;
  }
}

} // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  google::protobuf::SetLogHandler(nullptr); // It would say of each input what is wrong with it.
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  v1::ServerFrame frame;
  if (frame.ParseFromArray(data, static_cast<int>(size))) {
    try {
      read(frame);
    } catch (const vivarium::error&) { // What a user of the client can meet.
    }
  }
  // What a server says in place of opening a WebSocket.
  (void)detail::error_of_refusal({reinterpret_cast<const char*>(data), size}, "refused", {});
  return 0;
}
