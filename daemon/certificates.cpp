// SPDX-License-Identifier: Apache-2.0
#include "daemon/certificates.hpp"

#include "daemon/key_file.hpp"

#include <algorithm>
#include <ctime>
#include <utility>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

namespace vivarium {

namespace {

constexpr std::chrono::hours soon{14 * 24};
// Of one file; a bundle of a whole system has about 150.
constexpr int most_certificates = 1'000;

struct closer {
  void operator()(X509* what) const noexcept { ::X509_free(what); }
  void operator()(BIO* what) const noexcept { ::BIO_free(what); }
};
template <class T>
using owned = std::unique_ptr<T, closer>;

} // namespace

result<std::chrono::sys_seconds> expiry_of(const std::string& pem_file) {
  owned<BIO> file{::BIO_new_file(pem_file.c_str(), "r")};
  std::optional<std::chrono::sys_seconds> first;
  for (int n = 0; file && n < most_certificates; ++n) {
    owned<X509> one{::PEM_read_bio_X509(file.get(), nullptr, nullptr, nullptr)};
    std::tm at{};
    if (!one || ::ASN1_TIME_to_tm(::X509_get0_notAfter(one.get()), &at) != 1)
      break;
    std::chrono::sys_seconds when{std::chrono::seconds{::timegm(&at)}};
    first = std::min(first.value_or(when), when);
  }
  ::ERR_clear_error(); // The end of the file is one.
  if (!first)
    return error{errc::invalid_argument, pem_file + ": there is no certificate in it"};
  return *first;
}

certificates::certificates(tls_settings with, log& journal, upkeep_metrics& meters,
                           std::function<void(const context&)> put)
    : with_{std::move(with)}, journal_{journal}, meters_{meters}, put_{std::move(put)} {}

certificates::marks certificates::marks_of(const tls_settings& with) noexcept {
  auto mark_of = [](const std::string& path) {
    struct stat info {};
    if (path.empty() || ::stat(path.c_str(), &info) != 0)
      return mark{};
    return mark{info.st_dev, info.st_ino, info.st_size,
                info.st_ctim.tv_sec * 1'000'000'000 + info.st_ctim.tv_nsec};
  };
  return {mark_of(with.certificate), mark_of(with.key), mark_of(with.client_ca)};
}

status certificates::replace(const tls_settings& with) {
  // Before they are read: what changes meanwhile is read again.
  auto marks = marks_of(with);
  auto loaded = load_tls(with);
  std::vector<dated> dates;
  auto date = [&dates](const char* name, const std::string& key, const std::string& file) {
    auto expires = expiry_of(file);
    if (expires)
      dates.push_back({name, file, *expires});
    return expires ? status{done{}} : status{error{expires.why().code, key + expires.why().detail}};
  };
  auto ok = loaded ? date("server", "tls.cert: ", with.certificate) : status{loaded.why()};
  if (ok && !with.client_ca.empty())
    ok = date("client_ca", "tls.client_ca: ", with.client_ca);
  meters_.certificates_loaded(bool{ok});
  if (!ok) {
    // Of these files everything has been said; those of another configuration are not ours.
    if (with.certificate == with_.certificate && with.key == with_.key
        && with.client_ca == with_.client_ca)
      seen_ = marks;
    return ok;
  }
  with_ = with;
  seen_ = marks;
  dated_ = std::move(dates);
  meters_.forget_certificates();
  for (const auto& one : dated_) {
    meters_.certificate_expires(one.name, one.expires);
    journal_.info(
        "a certificate is in force",
        {{"certificate", one.name}, {"file", one.file}, {"expires", show_time(one.expires)}});
  }
  put_(*loaded);
  look_at_dates(std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()));
  return done{};
}

void certificates::look() {
  if (marks_of(with_) != seen_)
    if (auto ok = replace(with_); !ok)
      journal_.error("certificates have changed and cannot be used, those before stay in force",
                     {{"detail", ok.why().detail}});
  look_at_dates(std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()));
}

void certificates::look_at_dates(std::chrono::sys_seconds now) {
  for (auto& one : dated_) {
    auto left = one.expires - now;
    auto is = left <= left.zero() ? age::ended : left < soon ? age::ends_soon : age::good;
    if (std::exchange(one.last, is) == is || is == age::good)
      continue;
    auto expires = show_time(one.expires);
    log::fields with{{"certificate", one.name}, {"file", one.file}, {"expires", expires}};
    if (is == age::ended)
      journal_.error("a certificate has expired", with);
    else
      journal_.warn("a certificate expires within two weeks", with);
  }
}

} // namespace vivarium
