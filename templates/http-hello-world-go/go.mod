module http-hello-world-go

go 1.27.1

require go.bytecodealliance.org/pkg v0.4.0

// What the generated code needs at run time, in this project: the build asks no server.
replace go.bytecodealliance.org/pkg => ./third_party/pkg
