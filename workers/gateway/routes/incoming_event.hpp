/// CloudEvents 1.0 over HTTP, as tenants send them.
#pragma once

#include "http/message.hpp"
#include "kafka/cloud_event.hpp"

#include <string>
#include <string_view>

namespace omnibus::gateway {

/// Reads the event of a request in binary mode (`ce-` headers) or in structured mode (`application/cloudevents+json`).
/// @throws Refusal 415 for a batch or another format, 400 naming the attribute that is missing or wrong.
CloudEvent read_event(http::Request const& request);

/// The source under which a tenant's event is published: within the tenant's part of the namespace, so that no
/// tenant's event can be mistaken for another's or for one of ours, with any source and id.
/// `/tenants/<domain>/<its source, percent-encoded>`; a source that already has that form stays.
std::string tenant_source(std::string_view domain, std::string_view source);

}  // namespace omnibus::gateway
