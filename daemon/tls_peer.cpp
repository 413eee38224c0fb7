// SPDX-License-Identifier: Apache-2.0
#include "daemon/tls_peer.hpp"

#include <memory>

#include <arpa/inet.h>

#include <openssl/bio.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

namespace vivarium {

namespace {

struct closer {
  void operator()(X509* what) const noexcept { ::X509_free(what); }
  void operator()(BIO* what) const noexcept { ::BIO_free(what); }
  void operator()(GENERAL_NAMES* what) const noexcept { ::GENERAL_NAMES_free(what); }
};
template <class T>
using owned = std::unique_ptr<T, closer>;

std::string subject_of(const X509* certificate) {
  owned<BIO> out{::BIO_new(::BIO_s_mem())};
  if (!out
      || ::X509_NAME_print_ex(out.get(), ::X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253)
             < 0)
    return {};
  char* text = nullptr;
  auto size = ::BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

/// A text of a certificate; empty when it holds what no honest name does.
std::string text_of(const ASN1_STRING* text) {
  std::string out{reinterpret_cast<const char*>(::ASN1_STRING_get0_data(text)),
                  static_cast<std::size_t>(::ASN1_STRING_length(text))};
  // "good.example\0.evil.example" must not look like the first half.
  return out.find('\0') == std::string::npos ? out : std::string{};
}

std::string address_of(const ASN1_STRING* bytes) {
  char text[INET6_ADDRSTRLEN] = {};
  int family = ::ASN1_STRING_length(bytes) == 4 ? AF_INET : AF_INET6;
  bool whole = family == AF_INET || ::ASN1_STRING_length(bytes) == 16;
  return whole && ::inet_ntop(family, ::ASN1_STRING_get0_data(bytes), text, sizeof(text)) != nullptr
             ? std::string{text}
             : std::string{};
}

std::vector<std::string> names_of(const X509* certificate) {
  std::vector<std::string> out;
  owned<GENERAL_NAMES> names{static_cast<GENERAL_NAMES*>(
      ::X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr))};
  auto add = [&out](const char* kind, const std::string& text) {
    if (!text.empty())
      out.push_back(kind + text);
  };
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const auto* name = sk_GENERAL_NAME_value(names.get(), i);
    switch (name->type) {
      case GEN_DNS: add("dns:", text_of(name->d.dNSName)); break;
      case GEN_URI: add("uri:", text_of(name->d.uniformResourceIdentifier)); break;
      case GEN_EMAIL: add("email:", text_of(name->d.rfc822Name)); break;
      case GEN_IPADD: add("ip:", address_of(name->d.iPAddress)); break;
      default: break;
    }
  }
  return out;
}

} // namespace

std::optional<peer_certificate> certificate_of(const SSL* connection) {
  owned<X509> shown{::SSL_get1_peer_certificate(connection)};
  if (!shown || ::SSL_get_verify_result(connection) != X509_V_OK
      || (::SSL_get_verify_mode(connection) & SSL_VERIFY_PEER) == 0)
    return std::nullopt;
  return peer_certificate{subject_of(shown.get()), names_of(shown.get())};
}

} // namespace vivarium
