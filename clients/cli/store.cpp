// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/commands.hpp"
#include "clients/cli/show.hpp"

namespace vivarium::cli {

int store_command(const std::string& server, const std::string& order, const std::string& key,
                  const std::string& json) {
  const auto on = client::connect(server);
  if (order == "set") {
    on.set_value(key, json);
    return exit_ok;
  }
  if (order == "delete")
    return on.delete_value(key) ? exit_ok : exit_python_error;
  if (order == "list") {
    std::string cursor;
    do {
      const auto page = on.list_keys(key, cursor);
      for (const auto& each : page.keys)
        write_out(each + "\n");
      cursor = page.next;
    } while (!cursor.empty());
    return exit_ok;
  }
  const auto found = on.get_value(key);
  if (!found)
    return exit_python_error;
  write_out(*found + "\n");
  return exit_ok;
}

} // namespace vivarium::cli
