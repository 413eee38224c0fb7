// SPDX-License-Identifier: Apache-2.0

// What tenants may ask of new sessions beyond their limits.

#include "actors/settings.hpp"

namespace vivarium {

status may_use_egress(const settings& config, const std::string& tenant,
                      const std::string& policy) {
  if (config.without.contains(sandbox::layer::mount_namespace)
      || config.without.contains(sandbox::layer::seccomp))
    return error{errc::failed_precondition,
                 "egress needs the layers mount_namespace and seccomp, and the configuration gives "
                 "one of them up (sandbox.allow_degraded)"};
  // One that is another tenant's is not there for this one.
  auto may = config.tenants.find(tenant);
  bool allowed =
      may == config.tenants.end() || !may->second.egress || may->second.egress->contains(policy);
  if (!config.egress.contains(policy) || !allowed)
    return error{errc::permission_denied, "there is no egress policy '" + policy
                                              + "' for this tenant; [egress." + policy
                                              + "] of the configuration would be one, and "
                                                "tenants."
                                              + tenant + ".egress has to name it"};
  return done{};
}

result<process_mode> may_have_processes(const settings& config, const std::string& tenant,
                                        const std::string& environment, process_mode most,
                                        std::optional<process_mode> wish) {
  auto own = config.tenants.find(tenant);
  bool barred = own != config.tenants.end() && own->second.processes == process_mode::none;
  auto wanted = wish.value_or(barred ? process_mode::none : most);
  if (wanted == process_mode::none)
    return wanted;
  if (most == process_mode::none)
    return error{errc::permission_denied,
                 "environment '" + environment + "' has no processes; [environments." + environment
                     + "] processes = \"children\" of the configuration would allow them"};
  if (barred)
    return error{errc::permission_denied,
                 "this tenant has no processes; tenants." + tenant
                     + ".processes = \"children\" of the configuration would allow them"};
  if (config.without.contains(sandbox::layer::pid_namespace)
      || config.without.contains(sandbox::layer::seccomp))
    return error{errc::failed_precondition,
                 "processes need the layers pid_namespace and seccomp, and the configuration gives "
                 "one of them up (sandbox.allow_degraded)"};
  return wanted;
}

} // namespace vivarium
