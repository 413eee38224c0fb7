// SPDX-License-Identifier: Apache-2.0

// Asio, compiled once for the whole daemon.
#include <boost/asio/impl/src.hpp>
