// The component begins here: the exports that the host calls are in the package imported below.
package main

import _ "http-hello-world-go/gen/exports/wit_exports"

// A component that answers requests has no beginning and no end of its own.
func main() {}
