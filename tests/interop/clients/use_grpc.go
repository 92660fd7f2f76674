// Asks a gRPC server for its health: use_grpc HOST.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

func main() {
	limited, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	asking := metadata.AppendToOutgoingContext(limited, "authorization", "Bearer of-the-program")
	connection, err := grpc.Dial(os.Args[1]+":443", grpc.WithTransportCredentials(credentials.NewTLS(nil)))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	answer, err := grpc_health_v1.NewHealthClient(connection).Check(asking, &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		failure := status.Convert(err)
		fmt.Println(int(failure.Code()), failure.Message())
		return
	}
	fmt.Println(answer.GetStatus())
}
