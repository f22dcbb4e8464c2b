//go:build tools

// Package tools names the program that is built of this module's requirements: the runner of Connect's conformance suite.
package tools

import _ "connectrpc.com/conformance/cmd/connectconformance"
