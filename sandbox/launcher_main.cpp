// SPDX-License-Identifier: Apache-2.0
#include "sandbox/launcher.hpp"
#include "sandbox/outer.hpp"

#include <cstdio>
#include <cstring>

#include <fcntl.h>

// The program `vivarium-zygote`. Started by the daemon it is the outer process, which makes the
// namespaces; that starts it again, with "--inner", as process 1 of the jail.
int main(int argc, char** argv) {
  using namespace vivarium::sandbox;
  for (int fd : {control::control_fd, control::life_fd, control::plan_fd})
    if (::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
      std::fputs("vivarium-zygote is started by vivariumd only\n", stderr);
      return 2;
    }
  bool inner = argc > 1 && std::strcmp(argv[1], "--inner") == 0;
  return inner ? run_launcher() : run_outer();
}
