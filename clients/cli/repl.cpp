// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/commands.hpp"
#include "clients/cli/host.hpp"
#include "clients/cli/live.hpp"
#include "clients/cli/needs_more.hpp"
#include "clients/cli/show.hpp"

#include <histedit.h>
#include <vivarium/client.hpp>

#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <cwchar>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <system_error>

#include <poll.h>
#include <unistd.h>

namespace vivarium::cli {

namespace {

/// What came of asking for a line.
enum class typed { line, interrupt, end };

/// Lines from a terminal, edited, with a history kept between runs; or plainly from anything else.
class line_reader {
public:
  explicit line_reader(const interrupts& keyboard) : keyboard_{keyboard} {
    if (::isatty(STDIN_FILENO) == 0)
      return;
    // The terminal's own encoding, so that editing counts characters and not bytes.
    std::setlocale(LC_CTYPE, ""); // NOLINT(concurrency-mt-unsafe): before any thread
    history_.reset(::history_init());
    HistEvent event{};
    ::history(history_.get(), &event, H_SETSIZE, 1'000);
    ::history(history_.get(), &event, H_SETUNIQUE, 1);
    if (auto file = history_file(); !file.empty())
      ::history(history_.get(), &event, H_LOAD, file.c_str());
    editor_.reset(::el_init("vivarium", stdin, stdout, stderr));
    ::el_set(editor_.get(), EL_CLIENTDATA, this);
    ::el_set(
        editor_.get(), EL_PROMPT, +[](EditLine* from) {
          return const_cast<char*>(
              self(from).prompt_); // NOLINT(cppcoreguidelines-pro-type-const-cast)
        });
    ::el_set(
        editor_.get(), EL_GETCFN,
        +[](EditLine* from, wchar_t* out) { return self(from).next_character(out); });
    ::el_set(editor_.get(), EL_HIST, ::history, history_.get());
    ::el_set(editor_.get(), EL_EDITOR, "emacs");
    ::el_source(editor_.get(), nullptr);
  }

  typed read(const char* prompt, std::string& out) {
    if (!editor_)
      return std::getline(std::cin, out) ? typed::line : typed::end;
    prompt_ = prompt;
    interrupted_ = false;
    int count = 0;
    const char* line = ::el_gets(editor_.get(), &count);
    if (interrupted_) {
      ::el_reset(editor_.get());
      return typed::interrupt;
    }
    if (line == nullptr || count <= 0)
      return typed::end;
    out.assign(line, static_cast<std::size_t>(count));
    if (out.back() == '\n')
      out.pop_back();
    return typed::line;
  }

  /// Adds a statement to the history, in memory and on disk.
  void remember(const std::string& statement) {
    if (!history_ || statement.find_first_not_of(" \t\n") == std::string::npos)
      return;
    HistEvent event{};
    ::history(history_.get(), &event, H_ENTER, statement.c_str());
    if (auto file = history_file(); !file.empty())
      ::history(history_.get(), &event, H_SAVE, file.c_str());
  }

private:
  static line_reader& self(EditLine* editor) {
    void* out = nullptr;
    ::el_get(editor, EL_CLIENTDATA, &out);
    return *static_cast<line_reader*>(out);
  }

  /// What was typed may be a secret: the folder is the user's alone.
  static std::string history_file() {
    namespace fs = std::filesystem;
    const char* state = std::getenv("XDG_STATE_HOME"); // NOLINT(concurrency-mt-unsafe)
    const char* home = std::getenv("HOME");            // NOLINT(concurrency-mt-unsafe)
    if ((state == nullptr || *state != '/') && (home == nullptr || *home != '/'))
      return {};
    fs::path folder =
        state != nullptr && *state == '/' ? fs::path{state} : fs::path{home} / ".local" / "state";
    folder /= "vivarium";
    std::error_code failed;
    fs::create_directories(folder, failed);
    fs::permissions(folder, fs::perms::owner_all, failed);
    return failed ? std::string{} : (folder / "history").string();
  }

  /// Waits for a key or for Ctrl-C, whichever comes first.
  int next_character(wchar_t* out) {
    std::mbstate_t state{};
    for (;;) {
      pollfd wait[] = {{STDIN_FILENO, POLLIN, 0}, {keyboard_.descriptor(), POLLIN, 0}};
      if (::poll(wait, 2, -1) < 0)
        continue;
      if (wait[1].revents != 0 && keyboard_.take()) {
        interrupted_ = true;
        return -1;
      }
      if (wait[0].revents == 0)
        continue;
      char byte = 0;
      if (::read(STDIN_FILENO, &byte, 1) != 1)
        return 0;
      const auto used = std::mbrtowc(out, &byte, 1, &state); // NOLINT(concurrency-mt-unsafe)
      if (used == static_cast<std::size_t>(-2))
        continue; // In the middle of a character.
      if (used == static_cast<std::size_t>(-1))
        *out = L'?';
      return 1;
    }
  }

  struct end_editor {
    void operator()(EditLine* p) const { ::el_end(p); }
  };
  struct end_history {
    void operator()(History* p) const { ::history_end(p); }
  };
  const interrupts& keyboard_;
  std::unique_ptr<History, end_history> history_;
  std::unique_ptr<EditLine, end_editor> editor_;
  const char* prompt_ = "";
  bool interrupted_ = false;
};

/// Reads one statement; absent at the end of input, empty after Ctrl-C.
std::optional<std::string> read_statement(line_reader& lines) {
  std::string source;
  for (;;) {
    std::string line;
    switch (lines.read(source.empty() ? ">>> " : "... ", line)) {
      case typed::interrupt: write_out("\nKeyboardInterrupt\n"); return std::string{};
      case typed::end:
        if (source.empty())
          return std::nullopt;
        return source;
      case typed::line: break;
    }
    source += line + "\n";
    if (!needs_more(source))
      return source;
  }
}

} // namespace

int repl_command(const run_request& how) {
  const interrupts keyboard;
  const auto on = client::connect(how.server);
  const auto offered = offer(on, how.functions);
  auto session = special_session(on, how);
  if (!how.session.empty())
    session.detach();

  line_reader lines{keyboard};
  if (::isatty(STDIN_FILENO) != 0)
    write_out("Python " + session.info().python_version + "\nSession " + session.id()
              + ". Ctrl-C interrupts, Ctrl-D ends.\n");
  std::uint32_t number = 0;
  while (auto statement = read_statement(lines)) {
    if (statement->find_first_not_of(" \t\n") == std::string::npos)
      continue;
    lines.remember(*statement);
    const auto submitted = session.start(*statement, {},
                                         {.timeout = how.timeout,
                                          .cpu = how.cpu,
                                          .format = result_format::repr,
                                          .filename = "<input " + std::to_string(++number) + ">",
                                          .namespace_id = how.space});
    const auto verdict = show_live(submitted, keyboard);
    const int status = show_outcome(verdict);
    // A session that is gone cannot answer any more; one that failed a statement can.
    if (verdict.session == session_outcome::lost)
      return status;
  }
  if (::isatty(STDIN_FILENO) != 0)
    write_out("\n");
  return exit_ok;
}

} // namespace vivarium::cli
