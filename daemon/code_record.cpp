// SPDX-License-Identifier: Apache-2.0
#include "daemon/code_record.hpp"

#include "bridge/wire_reader.hpp"

#include <array>
#include <cstdint>

namespace vivarium {

void log_code_record(log& into, std::string_view tenant, std::string_view session,
                     std::string_view request_id, std::string_view record) {
  // Fields of LogRecord by number.
  enum : std::size_t {
    level = 1,
    logger,
    message,
    file,
    line,
    function,
    thread = 8,
    traceback,
    all
  };
  std::array<std::string_view, all> texts{};
  std::array<std::uint64_t, all> numbers{};
  bridge::wire_reader reader{record};
  for (bridge::wire_field field; reader.next(field);) {
    if (field.number >= all)
      continue;
    texts[field.number] = field.content;
    numbers[field.number] = field.bits;
  }
  log::fields with{{"tenant", tenant},
                   {"session", session},
                   {"request_id", request_id},
                   {"logger", texts[logger]},
                   {"text", texts[message]},
                   {"file", texts[file]},
                   {"line", static_cast<std::int64_t>(numbers[line])},
                   {"function", texts[function]},
                   {"thread", texts[thread]},
                   {"traceback", texts[traceback]}};
  constexpr std::string_view what = "code logged";
  switch (numbers[level]) {
    case 1: into.debug(what, with); break;
    case 2:
    case 3: into.info(what, with); break;
    case 4: into.warn(what, with); break;
    default: into.error(what, with); break;
  }
}

} // namespace vivarium
