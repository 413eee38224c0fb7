// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/live.hpp"

#include "clients/cli/api.hpp"
#include "clients/cli/show.hpp"

namespace vivarium::cli {

result<v1::Verdict> run_live(const server& to, api& calls, const v1::EvalRequest& what,
                             const interrupts& keyboard) {
  auto started = calls.start(what);
  if (!started)
    return started.why();
  const auto& id = started->execution_id();
  // A connection of its own: the other one is busy with the stream.
  interrupt_watch watch{keyboard, [&to, &id] {
                          api second{to.where, to.api_key};
                          if (auto cancelled = second.cancel(id); !cancelled)
                            write_err("vivarium: " + cancelled.why().detail + "\n");
                        }};
  result<v1::Verdict> verdict = error{errc::unavailable, "the stream ended without a verdict"};
  auto followed = calls.follow(id, [&verdict](const v1::Event& event) {
    if (event.lost_before() != 0)
      write_err("vivarium: " + std::to_string(event.lost_before()) + " events were lost\n");
    switch (event.kind_case()) {
      case v1::Event::kStdout: write_out(event.stdout()); break;
      case v1::Event::kStderr: write_err(event.stderr()); break;
      case v1::Event::kDisplay: show_display(event.display()); break;
      case v1::Event::kVerdict: verdict = event.verdict(); break;
      default: break;
    }
  });
  if (!followed)
    return followed.why();
  return verdict;
}

} // namespace vivarium::cli
