// SPDX-License-Identifier: Apache-2.0
#include "daemon/environment_json.hpp"

#include <boost/json/src.hpp> // NOLINT(bugprone-suspicious-include): the library, compiled here

#include <utility>

namespace vivarium::environment_json {

namespace {

using boost::json::array;
using boost::json::object;
using boost::json::value;

constexpr std::string_view installers[] = {"auto", "pip", "uv"};
constexpr std::int64_t store_version = 1;

array list_of(const std::vector<std::string>& texts) {
  array out;
  for (const auto& text : texts)
    out.emplace_back(text);
  return out;
}

array pairs_of(const std::vector<std::pair<std::string, std::string>>& all) {
  array out;
  for (const auto& [first, second] : all)
    out.push_back(array{value(first), value(second)});
  return out;
}

object recipe_of(const environment_recipe& what) {
  object out;
  out["requirements"] = list_of(what.requirements);
  out["pyproject"] = what.pyproject;
  out["lock"] = what.lock;
  out["python"] = what.python;
  out["extras"] = list_of(what.extras);
  out["installer"] = installers[static_cast<std::size_t>(what.installer)];
  out["index_url"] = what.index_url;
  out["wheels"] = what.wheels;
  out["sources"] = what.sources;
  out["timeout_ms"] = what.timeout.count();
  return out;
}

/// Reads what must be there; what is not, or is something else, throws, which is caught at the
/// door.
class reader {
public:
  explicit reader(const value& from) : from_{from.as_object()} {}
  [[nodiscard]] std::string text(std::string_view key) const {
    const auto& found = from_.at(key).as_string();
    return {found.data(), found.size()};
  }
  [[nodiscard]] std::int64_t number(std::string_view key) const { return from_.at(key).as_int64(); }
  [[nodiscard]] bool flag(std::string_view key) const { return from_.at(key).as_bool(); }
  [[nodiscard]] const value& at(std::string_view key) const { return from_.at(key); }
  [[nodiscard]] bool has(std::string_view key) const { return from_.contains(key); }
  [[nodiscard]] std::vector<std::string> texts(std::string_view key) const {
    std::vector<std::string> out;
    for (const auto& one : from_.at(key).as_array())
      out.emplace_back(one.as_string().data(), one.as_string().size());
    return out;
  }
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> pairs(std::string_view key) const {
    std::vector<std::pair<std::string, std::string>> out;
    for (const auto& one : from_.at(key).as_array())
      out.emplace_back(std::string{one.at(0).as_string()}, std::string{one.at(1).as_string()});
    return out;
  }

private:
  const object& from_;
};

environment_recipe read_recipe(const reader& from) {
  environment_recipe out;
  out.requirements = from.texts("requirements");
  out.pyproject = from.text("pyproject");
  out.lock = from.text("lock");
  out.python = from.text("python");
  out.extras = from.texts("extras");
  auto word = from.text("installer");
  for (std::size_t n = 0; n < std::size(installers); ++n)
    if (installers[n] == word)
      out.installer = static_cast<installer_choice>(n);
  out.index_url = from.text("index_url");
  out.wheels = from.text("wheels");
  out.sources = from.flag("sources");
  out.timeout = std::chrono::milliseconds{from.number("timeout_ms")};
  return out;
}

environment_facts read_facts(const reader& from) {
  environment_facts out;
  out.python_version = from.text("python_version");
  out.platform_tag = from.text("platform_tag");
  if (!from.has("id"))
    return out;
  out.id = from.text("id");
  out.lock = from.text("lock");
  out.packages = from.pairs("packages");
  return out;
}

object facts_object(const environment_facts& what) {
  object out;
  out["python_version"] = what.python_version;
  out["platform_tag"] = what.platform_tag;
  out["id"] = what.id;
  out["lock"] = what.lock;
  out["packages"] = pairs_of(what.packages);
  out["folder"] = what.folder;
  out["built"] = what.built.count();
  return out;
}

object record_object(const environment_record& what) {
  object out;
  out["owner"] = what.owner;
  out["name"] = what.name;
  out["trusted"] = what.trusted;
  out["configured"] = what.configured;
  out["interpreter"] = what.spec.interpreter;
  out["virtual_environment"] = what.spec.virtual_environment;
  out["preload"] = list_of(what.spec.preload);
  out["init"] = what.spec.init;
  out["import_paths"] = list_of(what.spec.import_paths);
  out["variables"] = pairs_of(what.spec.variables);
  if (what.spec.recipe)
    out["recipe"] = recipe_of(*what.spec.recipe);
  if (what.facts)
    out["facts"] = facts_object(*what.facts);
  out["trouble"] = what.trouble;
  return out;
}

environment_record read_record(const reader& from) {
  environment_record out;
  out.owner = from.text("owner");
  out.name = from.text("name");
  out.trusted = from.flag("trusted");
  out.configured = from.flag("configured");
  out.spec.interpreter = from.text("interpreter");
  out.spec.virtual_environment = from.text("virtual_environment");
  out.spec.preload = from.texts("preload");
  out.spec.init = from.text("init");
  out.spec.import_paths = from.texts("import_paths");
  out.spec.variables = from.pairs("variables");
  if (from.has("recipe"))
    out.spec.recipe = read_recipe(reader{from.at("recipe")});
  if (from.has("facts")) {
    reader facts{from.at("facts")};
    out.facts = read_facts(facts);
    out.facts->folder = facts.text("folder");
    out.facts->built = std::chrono::seconds{facts.number("built")};
  }
  out.trouble = from.text("trouble");
  return out;
}

/// Parses and reads; whatever is wrong with the text is one error.
template <class Read>
auto guarded(std::string_view text, std::string_view what, Read read)
    -> result<decltype(read(std::declval<const value&>()))> {
  try {
    return read(boost::json::parse({text.data(), text.size()}));
  } catch (const std::exception& why) {
    return error{errc::malformed, std::string{what} + " cannot be read: " + why.what()};
  }
}

template <class Read>
auto answer_of(std::string_view answer, Read read)
    -> result<decltype(read(std::declval<const reader&>()))> {
  std::string problem;
  auto out = guarded(answer, "the builder's answer", [&](const value& found) {
    reader from{found};
    using type = decltype(read(from));
    if (from.has("problem")) {
      problem = from.text("problem");
      return type{};
    }
    return read(from);
  });
  if (!problem.empty())
    return error{errc::failed_precondition, std::move(problem)};
  return out;
}

} // namespace

std::string build_order(const environment_recipe& what, const std::string& folder,
                        const std::string& final_folder, std::uint64_t most_bytes) {
  auto out = recipe_of(what);
  out["do"] = "build";
  out["directory"] = folder;
  out["final"] = final_folder;
  out["most_bytes"] = most_bytes;
  return boost::json::serialize(out);
}

std::string verify_order(const verify_request& what, const std::string& python,
                         const std::string& prefix, const environment_recipe* declared) {
  object out;
  out["do"] = "verify";
  out["python"] = python;
  out["prefix"] = prefix;
  out["requirements"] = list_of(what.requirements);
  out["stdlib"] = list_of(what.stdlib);
  out["declared"] = declared != nullptr ? value(recipe_of(*declared)) : value(nullptr);
  return boost::json::serialize(out);
}

std::string probe_order(const std::string& python) {
  object out;
  out["do"] = "probe";
  out["python"] = python;
  return boost::json::serialize(out);
}

result<environment_facts> read_facts(std::string_view answer) {
  return answer_of(answer, [](const reader& from) { return read_facts(from); });
}

result<environment_verification> read_verification(std::string_view answer) {
  return answer_of(answer, [](const reader& from) {
    environment_verification out;
    for (const auto& one : from.at("checks").as_array())
      out.checks.push_back({std::string{one.at(0).as_string()}, one.at(1).as_bool(),
                            std::string{one.at(2).as_string()},
                            std::string{one.at(3).as_string()}});
    return out;
  });
}

std::string write_store(const std::vector<environment_record_ptr>& all) {
  object out;
  out["version"] = store_version;
  array records;
  for (const auto& one : all)
    records.push_back(record_object(*one));
  out["environments"] = std::move(records);
  return boost::json::serialize(out) + "\n";
}

result<std::vector<environment_record>> read_store(std::string_view text) {
  return guarded(text, "the list of environments", [](const value& found) {
    std::vector<environment_record> out;
    for (const auto& one : reader{found}.at("environments").as_array())
      out.push_back(read_record(reader{one}));
    return out;
  });
}

} // namespace vivarium::environment_json
