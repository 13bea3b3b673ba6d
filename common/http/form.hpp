/// Forms, and queries, which are written alike. Pure.
#pragma once

#include <string>
#include <string_view>

namespace omnibus::http {

/// `name=value`, percent-encoded, after an `&` where something but a query's `?` stands before it.
void append_form(std::string& out, std::string_view name, std::string_view value);

}  // namespace omnibus::http
