// SPDX-License-Identifier: Apache-2.0
#include "daemon/tls_authority.hpp"

#include "sandbox/ip_address.hpp"

#include <boost/asio/buffer.hpp>

#include <utility>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

namespace vivarium {

namespace {

constexpr std::size_t most_hosts = 1'000;
// For ever: the key ends with the daemon, which may run for years, and neither its clock nor that
// of a session has to be right, or to stay where it is, for a session to reach what it may.
constexpr const char* before = "20000101000000Z";
constexpr const char* after = "99991231235959Z";

template <auto Free>
struct freed {
  template <class T>
  void operator()(T* what) const {
    Free(what);
  }
};
using key_ptr = std::unique_ptr<EVP_PKEY, freed<EVP_PKEY_free>>;
using certificate_ptr = std::unique_ptr<X509, freed<X509_free>>;
using bio_ptr = std::unique_ptr<BIO, freed<BIO_free_all>>;
using extension_ptr = std::unique_ptr<X509_EXTENSION, freed<X509_EXTENSION_free>>;

error failed() {
  return error{errc::internal, "a certificate could not be made"};
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  auto size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

bool add(X509* to, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, to, nullptr, nullptr, 0);
  extension_ptr made{X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str())};
  return made && X509_add_ext(to, made.get(), -1) == 1;
}

/// An unsigned certificate for a key, issued under that name.
certificate_ptr blank(EVP_PKEY* key, const std::string& subject, X509_NAME* issuer) {
  certificate_ptr made{X509_new()};
  std::uint64_t serial = 0;
  RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial);
  if (!made || X509_set_version(made.get(), X509_VERSION_3) != 1
      || ASN1_INTEGER_set_uint64(X509_get_serialNumber(made.get()), serial >> 1) != 1
      || ASN1_TIME_set_string_X509(X509_getm_notBefore(made.get()), before) != 1
      || ASN1_TIME_set_string_X509(X509_getm_notAfter(made.get()), after) != 1
      || X509_set_pubkey(made.get(), key) != 1)
    return nullptr;
  // A common name has at most 64 characters; nobody reads it where there are alternative names.
  X509_NAME_add_entry_by_txt(X509_get_subject_name(made.get()), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(subject.c_str()),
                             static_cast<int>(std::min<std::size_t>(subject.size(), 64)), -1, 0);
  X509_set_issuer_name(made.get(), issuer == nullptr ? X509_get_subject_name(made.get()) : issuer);
  return made;
}

} // namespace

struct tls_authority::keys {
  key_ptr authority{EVP_EC_gen("P-256")};
  key_ptr server{EVP_EC_gen("P-256")};
  certificate_ptr certificate;
};

tls_authority::tls_authority(std::unique_ptr<keys> own) : keys_{std::move(own)} {}

tls_authority::~tls_authority() = default;

result<std::unique_ptr<tls_authority>> tls_authority::make() {
  auto own = std::make_unique<keys>();
  if (!own->authority || !own->server)
    return failed();
  own->certificate = blank(own->authority.get(), "Vivarium HTTP rules", nullptr);
  auto* made = own->certificate.get();
  if (made == nullptr || !add(made, made, NID_basic_constraints, "critical,CA:TRUE,pathlen:0")
      || !add(made, made, NID_key_usage, "critical,keyCertSign,cRLSign")
      || !add(made, made, NID_subject_key_identifier, "hash")
      || X509_sign(made, own->authority.get(), EVP_sha256()) == 0)
    return failed();
  bio_ptr text{BIO_new(BIO_s_mem())};
  if (!text || PEM_write_bio_X509(text.get(), made) != 1)
    return failed();
  std::unique_ptr<tls_authority> out{new tls_authority{std::move(own)}};
  out->certificate_ = text_of(text.get());
  return out;
}

result<std::shared_ptr<boost::asio::ssl::context>>
tls_authority::context_for(const std::string& host) {
  if (auto found = known_.find(host); found != known_.end())
    return found->second;
  if (known_.size() >= most_hosts)
    known_.clear(); // Who is being served holds its own.
  auto* issuer = keys_->certificate.get();
  auto made = blank(keys_->server.get(), host, X509_get_subject_name(issuer));
  // Names are canonical: nothing in them means anything to the parser of extensions.
  auto name = (sandbox::ip_address::parse(host) ? "IP:" : "DNS:") + host;
  if (!made || !add(made.get(), issuer, NID_subject_alt_name, name)
      || !add(made.get(), issuer, NID_basic_constraints, "critical,CA:FALSE")
      || !add(made.get(), issuer, NID_key_usage, "critical,digitalSignature")
      || !add(made.get(), issuer, NID_ext_key_usage, "serverAuth")
      || !add(made.get(), issuer, NID_authority_key_identifier, "keyid")
      || X509_sign(made.get(), keys_->authority.get(), EVP_sha256()) == 0)
    return failed();
  auto context = std::make_shared<boost::asio::ssl::context>(boost::asio::ssl::context::tls_server);
  if (SSL_CTX_use_certificate(context->native_handle(), made.get()) != 1
      || SSL_CTX_use_PrivateKey(context->native_handle(), keys_->server.get()) != 1)
    return failed();
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  known_.emplace(host, context);
  return context;
}

} // namespace vivarium
