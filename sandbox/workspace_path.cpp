// SPDX-License-Identifier: Apache-2.0
#include "sandbox/workspace_path.hpp"

namespace vivarium::sandbox {

namespace {

error wrong(std::string_view what) {
  return error{errc::invalid_argument, "the path " + std::string{what}};
}

} // namespace

result<std::string> workspace_path(std::string_view given) {
  constexpr std::string_view own = "/workspace";
  if (given.size() > most_path_bytes)
    return wrong("is longer than 4,096 bytes");
  if (given.find('\0') != std::string_view::npos)
    return wrong("has NUL in it");
  if (given.starts_with('/')) {
    if (!given.starts_with(own) || (given.size() > own.size() && given[own.size()] != '/'))
      return wrong("must be relative to the workspace, or begin with /workspace/");
    given.remove_prefix(own.size());
    if (!given.empty())
      given.remove_prefix(1);
  }
  if (given == "." || given.empty())
    return std::string{};
  std::size_t parts = 0;
  for (auto rest = given;;) {
    auto slash = rest.find('/');
    auto part = rest.substr(0, slash);
    if (part.empty())
      return wrong("has an empty part: \"//\", or a slash at its end");
    if (part == "." || part == "..")
      return wrong("has \".\" or \"..\" in it: say the path from the workspace on");
    if (part.size() > most_name_bytes)
      return wrong("has a part of more than 255 bytes");
    if (++parts > most_path_parts)
      return wrong("has more than 128 parts");
    if (slash == std::string_view::npos)
      return std::string{given};
    rest.remove_prefix(slash + 1);
  }
}

split_path split(const std::string& path) {
  auto slash = path.rfind('/');
  if (slash == std::string::npos)
    return {{}, path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

std::string join(std::string_view folder, std::string_view name) {
  std::string out{folder};
  if (!out.empty() && !name.empty())
    out += '/';
  out += name;
  return out;
}

} // namespace vivarium::sandbox
