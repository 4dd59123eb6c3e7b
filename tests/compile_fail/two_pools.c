// expect: echo: struct client is another interface's state
#include <postbox.server.h>
#include <echo.server.h>
