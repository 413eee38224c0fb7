// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace vivarium {
inline namespace client_v1 {

/// A database, `import sql`: of the configuration, or one that the client names.
struct sql_grant {
  std::string database = {};
  std::string database_url = {}; ///< Where the session's egress policy lets it go.
  bool read_only = false;
};

/// What may be done to keys of the store.
enum class store_right { get = 1, put, remove, list };

/// A part of the tenant's key-value store, `import store`. Unset fields restrain nothing.
struct store_grant {
  std::string prefix = {};
  std::vector<std::string> keys = {};
  std::vector<store_right> rights = {};
};

/// What may be asked of one part of a web server; see HttpRule in capability.proto.
struct http_rule {
  std::string allowed_url_prefix;
  std::vector<std::string> methods = {};           ///< Empty: GET and HEAD.
  std::map<std::string, std::string> headers = {}; ///< Added by the daemon; code never sees them.
};

/// Where boto3 goes, and as whom. Code can read the credentials.
struct aws_grant {
  std::string endpoint_url = {};
  std::string region = {};
  std::string access_key_id = {};
  std::string secret_access_key = {};
  std::string session_token = {};
};

/// What a session's code is given beyond its own memory and files.
struct capabilities {
  std::optional<sql_grant> sql = {};
  std::optional<store_grant> store = {};
  std::vector<http_rule> http_rules = {};
  std::optional<aws_grant> boto3 = {};
};

/// Some keys of the store.
struct key_page {
  std::vector<std::string> keys;
  std::string next; ///< Where to go on; empty when there are no more.
};

} // namespace client_v1
} // namespace vivarium
