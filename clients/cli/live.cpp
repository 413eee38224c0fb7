// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/live.hpp"

#include "clients/cli/progress_bar.hpp"
#include "clients/cli/show.hpp"

#include <string>

#include <unistd.h>

namespace vivarium::cli {

verdict show_live(const execution& what, const interrupts& keyboard) {
  interrupt_watch watch{keyboard, [&what] {
                          try {
                            what.cancel();
                          } catch (const std::exception& why) {
                            show_failure(why);
                          }
                        }};
  progress_bar bar{::isatty(STDERR_FILENO) != 0};
  for (auto& event : what.follow()) {
    if (const auto* how_far = std::get_if<event::progress>(&event.what)) {
      bar.show(*how_far);
      continue;
    }
    bar.clear();
    if (event.lost_before != 0)
      write_err("vivarium: " + std::to_string(event.lost_before) + " events were lost\n");
    if (const auto* out = std::get_if<event::output>(&event.what))
      write_out(out->text);
    else if (const auto* err = std::get_if<event::error_output>(&event.what))
      write_err(err->text);
    else if (const auto* shown = std::get_if<display>(&event.what))
      show_display(*shown);
    else if (const auto* record = std::get_if<event::log_record>(&event.what))
      show_record(*record);
    else if (auto* ended = std::get_if<verdict>(&event.what)) {
      ended->request_id = what.request_id();
      return std::move(*ended);
    }
  }
  throw connection_error{"the stream ended without a verdict"};
}

} // namespace vivarium::cli
