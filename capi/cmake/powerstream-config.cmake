# Defines the imported targets powerstream::shared and powerstream::static, and
# powerstream::powerstream: the shared library, or the static one if POWERSTREAM_STATIC is set.
#
# Found under PREFIX/lib/cmake/powerstream (install.sh) or PREFIX/share/cmake/powerstream (cargo
# cinstall).
get_filename_component(_powerstream_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
find_path(_powerstream_include powerstream.h
    PATHS "${_powerstream_prefix}/include" PATH_SUFFIXES powerstream NO_DEFAULT_PATH NO_CACHE)

foreach(_powerstream_kind shared static)
    if(_powerstream_kind STREQUAL "shared")
        set(_powerstream_name "${CMAKE_SHARED_LIBRARY_PREFIX}powerstream${CMAKE_SHARED_LIBRARY_SUFFIX}")
    else()
        set(_powerstream_name "${CMAKE_STATIC_LIBRARY_PREFIX}powerstream${CMAKE_STATIC_LIBRARY_SUFFIX}")
    endif()
    file(GLOB _powerstream_file "${_powerstream_prefix}/lib/${_powerstream_name}"
        "${_powerstream_prefix}/lib/*/${_powerstream_name}")
    if(_powerstream_file AND _powerstream_include AND NOT TARGET powerstream::${_powerstream_kind})
        string(TOUPPER "${_powerstream_kind}" _powerstream_type)
        add_library(powerstream::${_powerstream_kind} ${_powerstream_type} IMPORTED)
        set_target_properties(powerstream::${_powerstream_kind} PROPERTIES
            IMPORTED_LOCATION "${_powerstream_file}"
            INTERFACE_INCLUDE_DIRECTORIES "${_powerstream_include}")
    endif()
endforeach()

if(TARGET powerstream::static AND UNIX)
    find_package(Threads REQUIRED)
    set_target_properties(powerstream::static PROPERTIES
        INTERFACE_LINK_LIBRARIES "Threads::Threads;${CMAKE_DL_LIBS};m;gcc_s")
endif()

if(NOT TARGET powerstream::powerstream)
    if(POWERSTREAM_STATIC AND TARGET powerstream::static)
        add_library(powerstream::powerstream ALIAS powerstream::static)
    elseif(TARGET powerstream::shared)
        add_library(powerstream::powerstream ALIAS powerstream::shared)
    endif()
endif()
if(TARGET powerstream::powerstream)
    set(powerstream_FOUND TRUE)
else()
    set(powerstream_FOUND FALSE)
    set(powerstream_NOT_FOUND_MESSAGE "the library or its header is not under ${_powerstream_prefix}")
endif()
