# Every library we stand on. `compose/setup` installs them; the two that Debian 12 has too old are in its cache.
if(DEFINED ENV{OMNIBUS_CACHE})
  list(APPEND CMAKE_PREFIX_PATH $ENV{OMNIBUS_CACHE}/deps)
else()
  list(APPEND CMAKE_PREFIX_PATH $ENV{HOME}/.cache/omnibus/deps)
endif()

find_package(Threads REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(ZLIB REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS system json url)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(simdjson REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(CLI11 REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED)
find_package(doctest REQUIRED)
find_package(PostgreSQL REQUIRED)
find_package(RdKafka 2.12 CONFIG REQUIRED)
find_package(libpqxx 7.9 CONFIG REQUIRED)

# Asio and Beast are compiled once, in common/concurrency/asio.cpp, not in every file that includes them.
add_library(omnibus_asio_options INTERFACE)
target_compile_definitions(omnibus_asio_options INTERFACE BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION
                                                           BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_BOOST_COROUTINE)
target_link_libraries(omnibus_asio_options INTERFACE Boost::headers OpenSSL::SSL OpenSSL::Crypto Threads::Threads)
