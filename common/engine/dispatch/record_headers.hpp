/// Reading the headers of a consumed record.
#pragma once

#include "kafka/message_view.hpp"

namespace omnibus::engine {

using kafka::for_each_header;

}  // namespace omnibus::engine
