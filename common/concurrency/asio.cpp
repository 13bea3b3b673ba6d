// The only translation unit with the compiled parts of Asio and Beast.
#include <boost/asio/impl/src.hpp>
#include <boost/asio/ssl/impl/src.hpp>
// Without its assertions: until Boost 1.86 one of them fails for an empty chunked body that comes in pieces, which any
// peer may send. The parser itself reads it well. <boost/assert.hpp> heeds this at each inclusion.
#define BOOST_DISABLE_ASSERTS
#include <boost/assert.hpp>
#include <boost/beast/src.hpp>
#undef BOOST_DISABLE_ASSERTS
#include <boost/assert.hpp>
