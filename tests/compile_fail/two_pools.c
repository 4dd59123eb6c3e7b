// expect: postbox: struct client is another interface's state
#include <echo.server.h>
#include <postbox.server.h>
