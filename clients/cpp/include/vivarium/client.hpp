// SPDX-License-Identifier: Apache-2.0
#pragma once

// Everything but completion tokens (client_async.hpp) and the fixture for tests (testing.hpp).
//
//     auto client = vivarium::client::connect("http://127.0.0.1:7717");
//     auto session = client.session();
//     int n = session.eval_as<int>("x * y", {{"x", 6}, {"y", 7}});

#include <vivarium/admin.hpp>
#include <vivarium/connection.hpp>
#include <vivarium/convert.hpp>
#include <vivarium/error.hpp>
#include <vivarium/files.hpp>
#include <vivarium/host.hpp>
#include <vivarium/options.hpp>
#include <vivarium/ref.hpp>
#include <vivarium/runner.hpp>
#include <vivarium/session.hpp>
#include <vivarium/stream.hpp>
#include <vivarium/value.hpp>
#include <vivarium/verdict.hpp>
